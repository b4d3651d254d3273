"""What learns: the model, its optimizer and, with a teacher, the distillation; and its checkpoints."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.official import PREFIX, to_official, to_transformers
from scripts.cnclip.training import optimizer as adamw
from scripts.cnclip.training.distillation import Distiller, TeacherRows
from scripts.cnclip.training.loading import Pairs
from scripts.cnclip.training.losses import Contrast, contrast, similarities
from scripts.cnclip.training.options import RunOptions
from scripts.cnclip.training.step import Losses, Rows, gradients
from scripts.cnclip.training.towers import image_rows, prepare, text_rows
from scripts.shared.errors import ConfigError
from scripts.shared.training.determinism import seeded_draws
from scripts.shared.training.processes import Processes

LARGEST_LOGIT_SCALE = 4.6052  # ln 100 rounded up, as upstream has it
_PROJECTOR = "distillation"


class Learner:
    """One process's copy of a model that is trained; all copies stay equal.

    Args:
        model: on the device; it is changed.
        options: of the run.
        processes: those that train together.
        distiller: on the device; None without a teacher.
    """

    def __init__(
        self, model: ChineseCLIPModel, options: RunOptions, processes: Processes, distiller: Distiller | None = None
    ) -> None:
        self.model = prepare(model, options)
        self._options, self._processes, self._distiller = options, processes, distiller
        self._projector = distiller.projector if distiller else None
        self.optimizer = adamw.make_optimizer(self.model, options, projector=self._projector)
        self._encoders = [
            parameter
            for name, parameter in self.model.named_parameters()
            if name != "logit_scale" and parameter.requires_grad
        ]

    def learn(self, pairs: Pairs, step: int, lr: float, teacher: TeacherRows | None = None) -> Losses:
        """Take a step.

        Args:
            pairs: this process's share of the batch, on the device.
            step: from 0.
            lr: learning rate.
            teacher: its rows of these pairs.
        """
        chunks = self._options.chunks

        def forward(chunk: int) -> Rows:
            with self._draws(step, chunk):
                return self._rows(pairs, chunks[chunk])

        self.model.train()
        self.optimizer.zero_grad()
        losses = gradients(
            forward,
            len(chunks),
            self.model.logit_scale,
            self._encoders,
            self._processes,
            distiller=self._distiller,
            teacher=teacher,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, LARGEST_LOGIT_SCALE)
        return losses

    @torch.no_grad()
    def contrast(self, pairs: Pairs) -> Contrast:
        """How well the pairs of a batch are told apart, without dropout.

        Args:
            pairs: this process's share of it, on the device.
        """
        self.model.train(False)
        size = self._options.chunk_size or len(pairs.ids)
        parts = [self._rows(pairs, slice(start, start + size)) for start in range(0, len(pairs.ids), size)]
        images, texts = (self._processes.gather_rows(torch.cat(rows)) for rows in zip(*parts, strict=True))
        return contrast(similarities(images, texts, self.model.logit_scale))

    def _rows(self, pairs: Pairs, rows: slice) -> Rows:
        # A context for each pass: within one, autocast keeps the bf16 copies of weights, also those made without grad.
        kind = pairs.ids.device.type
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=self._options.precision == "bf16"):
            return image_rows(self.model, pairs.pictures[rows]), text_rows(self.model, pairs.ids[rows])

    @contextmanager
    def _draws(self, step: int, chunk: int) -> Iterator[None]:
        """What dropout drops follows from the step, the process and the chunk, so both passes of a chunk drop it."""
        if not self._options.text_dropout:
            yield
            return
        key = ("dropout", step, self._processes.rank, chunk)
        with seeded_draws(self._options.seed, *key, device=self.model.logit_scale.device):
            yield

    def checkpoint(self, *, epoch: int, step: int, name: str) -> dict[str, Any]:
        """What upstream's checkpoints hold, and a teacher's matrix; tensors on the CPU.

        Args:
            epoch: epochs done.
            step: steps done.
            name: of the run.
        """
        value: dict[str, Any] = {
            "epoch": epoch,
            "step": step,
            "name": name,
            "state_dict": {key: tensor.cpu() for key, tensor in to_official(self.model.state_dict()).items()},
            "optimizer": adamw.official_state(self.optimizer, self.model),
        }
        if self._projector is not None:
            value[_PROJECTOR] = adamw.projector_state(self.optimizer, self._projector)
        return value

    def restore(self, value: Mapping[str, Any], *, where: str) -> None:
        """Go on from what `checkpoint` gave.

        Raises:
            ConfigError: it is of another model.
        """
        self.load_weights(value["state_dict"], where=where)
        adamw.load_official_state(self.optimizer, self.model, value["optimizer"], where=where)
        if self._projector is not None:
            adamw.load_projector_state(self.optimizer, self._projector, value[_PROJECTOR])

    def load_weights(self, state: Mapping[str, Tensor], *, where: str) -> None:
        """Take the weights of an official state dict.

        Raises:
            ConfigError: they are those of another model.
        """
        _, weights = to_transformers({key.removeprefix(PREFIX): tensor for key, tensor in state.items()}, where=where)
        try:
            self.model.load_state_dict(weights)
        except RuntimeError as error:
            raise ConfigError(f"{where}: holds the weights of another model than this run's") from error
