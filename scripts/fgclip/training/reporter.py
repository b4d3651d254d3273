"""What a training says while it lasts: `trainer_log.txt`, `metrics.jsonl` and TensorBoard, progress, attempts.

`trainer_log.txt` has the lines that users of the guide look for, and nothing that the clock has a part in: it follows
from the rows of `metrics.jsonl`, so that a training that goes on writes it anew up to where it goes on.
"""

import json
import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.fgclip.training.learner import Measured
from scripts.fgclip.training.options import RunOptions
from scripts.fgclip.training.regions import n_slots
from scripts.shared import atomic_files
from scripts.shared.packages import installed_versions
from scripts.shared.training.metrics_log import MetricsLog, read_rows
from scripts.shared.training.progress_file import TrainingProgress
from scripts.shared.training.run_folder import metrics_file, progress_file
from scripts.shared.training.run_record import Attempts

TRAINER_LOG, TRAIN_LOG, START_LOG = "trainer_log.txt", "train_log.json", "training_start.log"
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "av")
_SHOWN = ("loss", "loss_global", "loss_region", "learning_rate", "grad_norm", "epoch", "loss_held_out")
_DIGITS = 4
_SLOW_SHARE, _SLOW_AFTER_S = 0.5, 60.0
_STUCK_ROWS, _STUCK_SHARE = 10, 0.98  # of chance, as the mean over so many rows

log = logging.getLogger(__name__)


class Reporter:
    """Tells what one training does; only the first process has one.

    Args:
        run_dir: of the run.
        options: of the run.
        per_epoch: steps.
        steps: of the whole training.
        done: steps taken before this attempt.
        identity: of the training.
        data: digest of its items.
        device: its name.
    """

    def __init__(
        self,
        run_dir: Path,
        options: RunOptions,
        *,
        per_epoch: int,
        steps: int,
        done: int,
        identity: str,
        data: str,
        device: str,
    ) -> None:
        self._options, self._per_epoch, self._steps = options, per_epoch, steps
        self._epochs = math.ceil(steps / per_epoch)
        self._run_dir = run_dir
        self._metrics = MetricsLog(run_dir, after_step=done, tag="train/")
        self._progress = TrainingProgress(progress_file(run_dir), epochs=self._epochs, steps=steps, done=done)
        self.attempts = Attempts(run_dir, identity=identity, from_step=done, device=device)
        _write_start(run_dir, options, done=done, identity=identity, data=data, device=device)
        self._epoch_told = 0
        self._log = run_dir / TRAINER_LOG
        rows = read_rows(metrics_file(run_dir))
        before = [chance_line(options), *(line for row in rows for line in self._lines(row))]
        atomic_files.write_lines(self._log, (f"{line}\n" for line in before))
        self._began, self._data_s, self._slow_told = time.monotonic(), 0.0, False
        self._since_warm_up: list[tuple[float, float]] | None = []

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._metrics.close()

    def step(self, taken: int, measured: Measured, *, lr: float, scales: Mapping[str, float], data_s: float) -> None:
        """A step was taken.

        Args:
            taken: steps so far.
            measured: in this step.
            lr: of the picture tower in this step.
            scales: of the losses after it, by name.
            data_s: seconds that it waited for its items.
        """
        self._data_s += data_s
        self.attempts.step(taken)
        epoch = math.ceil(taken / self._per_epoch)
        self._progress.step(epoch=epoch, step=taken, loss=measured.loss, lr=lr)
        if taken % self._options.log_steps and taken not in (1, self._steps):
            return
        values = {
            "loss": measured.loss,
            "loss_global": measured.loss_global,
            "loss_region": measured.loss_region,
            "learning_rate": lr,
            "grad_norm": measured.grad_norm,
            "chance_global": measured.chance_global,
            "chance_region": measured.chance_region,
            "epoch": round(taken / self._per_epoch, _DIGITS),
            **scales,
        }
        self._row(taken, values)
        self._warn(taken, measured)

    def held_out(self, taken: int, measured: Measured) -> None:
        """The held-out items were measured after so many steps."""
        self._row(
            taken,
            {
                "loss_held_out": measured.loss,
                "chance_held_out": measured.chance_global,
                "epoch": round(taken / self._per_epoch, _DIGITS),
            },
        )

    def saving(self) -> None:
        """A checkpoint will be written: what belongs before it must be on the disk."""
        self._metrics.sync()

    def write_log(self) -> None:
        """Write `train_log.json`: all rows, and what chance gives."""
        rows = list(read_rows(metrics_file(self._run_dir)))
        content = {"chance": chance_levels(self._options), "log_history": rows}
        atomic_files.write_text(self._run_dir / TRAIN_LOG, json.dumps(content, indent=1) + "\n")

    def _row(self, taken: int, values: Mapping[str, float]) -> None:
        self._metrics.row(taken, values)
        lines = list(self._lines({"step": taken, **values}))
        with self._log.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        for line in lines:
            log.info("%s", line)

    def _lines(self, row: Mapping[str, Any]) -> Iterator[str]:
        """The lines of a row, after those of the epochs that began since the row before."""
        epoch = math.ceil(row["step"] / self._per_epoch)
        for number in range(self._epoch_told + 1, epoch + 1):
            yield f"Training Epoch {number}/{self._epochs}"
        self._epoch_told = max(epoch, self._epoch_told)
        shown = {name: row[name] for name in _SHOWN if row.get(name) is not None}
        yield str({name: value if name == "learning_rate" else round(value, _DIGITS) for name, value in shown.items()})

    def _warn(self, taken: int, measured: Measured) -> None:
        """Say, once each, what shows in the figures and can be mended."""
        if not self._slow_told and (
            text := slow_data(self._data_s, time.monotonic() - self._began, self._options.num_workers)
        ):
            self._slow_told = True
            log.warning("[%s] %s", self._options.name, text)
        if self._since_warm_up is None or taken <= self._options.warmup(self._steps):
            return
        self._since_warm_up.append((measured.loss_global, measured.chance_global))
        if len(self._since_warm_up) == _STUCK_ROWS:
            if text := stuck_at_chance(self._since_warm_up):
                log.warning("[%s] %s", self._options.name, text)
            self._since_warm_up = None


def chance_levels(options: RunOptions) -> dict[str, float]:
    """What the losses are where nothing was learnt and all captions differ; that of regions at most."""
    return {
        "loss_global": round(math.log(options.batch_size), _DIGITS),
        "loss_region": round(math.log(options.batch_size * n_slots(options)), _DIGITS),
    }


def chance_line(options: RunOptions) -> str:
    """The first line of `trainer_log.txt`."""
    chance, batch = chance_levels(options), options.batch_size
    return (
        f"Chance: loss_global ln({batch}) = {chance['loss_global']}, loss_region ln(regions of a batch) <= "
        f"{chance['loss_region']}; equal captions lower both. The guide's targets (8-9 falling to 1.2-1.8, global < "
        "2.0, region < 1.5) say little beside them: small batches are below them untrained"
    )


def slow_data(data_s: float, total_s: float, workers: int) -> str:
    """What to say of a training that waits for its videos; empty while it need not be said.

    Args:
        data_s: seconds that it waited.
        total_s: seconds that it took.
        workers: processes that decode.
    """
    if total_s < _SLOW_AFTER_S or data_s < _SLOW_SHARE * total_s:
        return ""
    return (
        f"{data_s / total_s:.0%} of the time goes by in waiting for videos; raise num_workers ({workers}) to 8 or 16, "
        "where there are so many cores"
    )


def stuck_at_chance(rows: Iterable[tuple[float, float]]) -> str:
    """What to say of losses, each with its chance, that show nothing learnt after the warm-up; empty if they do."""
    losses, chances = zip(*rows, strict=True)
    loss, chance = sum(losses) / len(losses), sum(chances) / len(chances)
    if loss < _STUCK_SHARE * chance:
        return ""
    return (
        f"after the warm-up loss_global is {loss:.3f}, chance {chance:.3f}: nothing is learnt so far; check the "
        "captions (fgclip_validate), raise lr and new_lr, or take more videos a batch"
    )


def _write_start(run_dir: Path, options: RunOptions, *, done: int, identity: str, data: str, device: str) -> None:
    """Add an attempt to `training_start.log`."""
    versions = ", ".join(f"{name} {version}" for name, version in installed_versions(LIBRARIES).items())
    lines = (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: {options.name} begins after step {done} on {device}",
        f"settings and start: {identity}",
        f"items: {data}",
        f"versions: {versions}",
    )
    with (run_dir / START_LOG).open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n\n")
