"""What a training says while it lasts: lines in the log, rows of `metrics.jsonl`, progress, attempts."""

import logging
import time
from pathlib import Path
from types import TracebackType

from torch import Tensor

from scripts.cnclip.training.options import RunOptions
from scripts.cnclip.training.step import Losses
from scripts.cnclip.training.validation import Validated
from scripts.shared.training.metrics_log import MetricsLog
from scripts.shared.training.progress_file import TrainingProgress
from scripts.shared.training.run_folder import progress_file
from scripts.shared.training.run_record import Attempts

LOG_EVERY = 10  # steps: a GPU stands still while its loss is read

log = logging.getLogger(__name__)


class Reporter:
    """Tells what one training does; only the first process has one.

    Args:
        run_dir: of the run.
        options: of the run.
        n_pairs: of the training set.
        per_epoch: steps.
        steps: of the whole training.
        done: steps taken before this attempt.
        identity: of the training.
        device: its name.
    """

    def __init__(
        self,
        run_dir: Path,
        options: RunOptions,
        *,
        n_pairs: int,
        per_epoch: int,
        steps: int,
        done: int,
        identity: str,
        device: str,
    ) -> None:
        self._options, self._n_pairs, self._per_epoch, self._steps = options, n_pairs, per_epoch, steps
        self._epochs = -(-steps // per_epoch)
        self._metrics = MetricsLog(run_dir, after_step=done)
        self._progress = TrainingProgress(progress_file(run_dir), epochs=self._epochs, steps=steps, done=done)
        self.attempts = Attempts(run_dir, identity=identity, from_step=done, device=device)
        self._since, self._told_at = time.monotonic(), done
        self._data_s = 0.0

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._metrics.close()

    def step(self, taken: int, losses: Losses, *, lr: float, logit_scale: Tensor, data_s: float) -> float | None:
        """A step was taken.

        Args:
            taken: steps so far.
            losses: of the step.
            lr: of the step.
            logit_scale: after it.
            data_s: seconds that it waited for its pairs.

        Returns:
            The loss, at the steps at which it is read; None at the others.
        """
        self._data_s += data_s
        if taken % LOG_EVERY and taken not in (1, self._steps):
            return None
        total, contrastive, image_to_text, text_to_image = (value.item() for value in losses)
        scale = logit_scale.item()
        now = time.monotonic()
        n_told = taken - self._told_at
        epoch, place = divmod(taken - 1, self._per_epoch)
        seen = (place + 1) * self._options.batch_size
        of = self._per_epoch * self._options.batch_size
        log.info(
            "Global Steps: %d/%d | Train Epoch: %d [%d/%d (%.0f%%)] | Loss: %.6f | Image2Text Acc: %.2f | "
            "Text2Image Acc: %.2f | Data Time: %.3fs | Batch Time: %.3fs | LR: %.6g | logit_scale: %.3f | "
            "Global Batch Size: %d",
            *(taken, self._steps, epoch + 1, seen, of, 100 * seen / of, total),
            *(100 * image_to_text, 100 * text_to_image, self._data_s / n_told, (now - self._since) / n_told),
            *(lr, scale, self._options.batch_size),
        )
        self._since, self._told_at, self._data_s = now, taken, 0.0
        self._metrics.row(
            taken,
            {
                "loss": total,
                "contrastive_loss": contrastive,
                "image_to_text_accuracy": image_to_text,
                "text_to_image_accuracy": text_to_image,
                "lr": lr,
                "logit_scale": scale,
            },
        )
        self._progress.step(epoch=epoch + 1, step=taken, loss=total, lr=lr)
        self.attempts.step(taken)
        return total

    def validated(self, taken: int, found: Validated) -> None:
        """A validation was made after so many steps."""
        log.info(
            "Validation after %d steps | Loss: %.6f | Image2Text Acc: %.2f | Text2Image Acc: %.2f",
            *(taken, found.loss, 100 * found.image_to_text, 100 * found.text_to_image),
        )
        self._metrics.row(
            taken,
            {
                "validation_loss": found.loss,
                "validation_image_to_text_accuracy": found.image_to_text,
                "validation_text_to_image_accuracy": found.text_to_image,
            },
        )
        self._since = time.monotonic()  # it is no part of the steps' time

    def saving(self) -> None:
        """A checkpoint will be written: what belongs before it must be on the disk."""
        self._metrics.sync()
