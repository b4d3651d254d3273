"""The options of a training run, as code has them. Light: imported while planning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scripts.shared.errors import ConfigError
from scripts.shared.training.run_options import chosen_options

# Half-precision weights under plain AdamW lose the second moments of small gradients, and then every step is far too
# large: a known way to a collapsed model. So fp16 is not offered; bfloat16 keeps float32 weights and its range.
Precision = Literal["fp32", "bf16"]
# What says how a run is made and not what it gives but for rounding; it may change while a run is under way.
_FREE = frozenset(
    {"name", "processes", "chunk_size", "gradient_checkpointing", "loader_workers", "keep"}
    | {"save_step_interval", "save_epoch_interval", "valid_step_interval"}
)


@dataclass(frozen=True)
class Distillation:
    """How a teacher is followed.

    Attributes:
        name: of the loss; see `distillation`.
        teacher: name of the teacher; empty without one.
        temperature: of `kl` and `kl_feat`.
        alpha: weight of the divergence in `kl` and `kl_feat`.
        beta: weight of the features in `kl_feat`.
        weight: of `cos_interp`.
        online: the teacher runs in the loop, on the pictures as they were augmented.
    """

    name: Literal["none", "cos_interp", "kl", "kl_feat"]
    teacher: str
    temperature: float
    alpha: float
    beta: float
    weight: float
    online: bool


@dataclass(frozen=True)
class RunOptions:
    """How a run trains.

    Attributes:
        name: of the run.
        batch_size: pairs that are compared with each other in a step, over all processes.
        processes: that share a batch.
        chunk_size: pairs that a process forwards at once; 0 takes its whole share.
        epochs: passes over the pairs.
        max_steps: steps in all; 0: as many as the epochs have.
        lr: highest learning rate.
        weight_decay: of AdamW.
        warmup: steps in which the rate rises.
        beta1: of AdamW.
        beta2: of AdamW.
        eps: of AdamW.
        precision: fp32, or bf16 for what autocast runs in it.
        augment: change the pictures at random.
        context_length: tokens of a text, at most.
        text_dropout: in the text encoder.
        freeze_vision: leave the image encoder as it is.
        gradient_checkpointing: compute activations again instead of keeping them.
        valid_step_interval: steps between validations; 0: only after each epoch.
        save_step_interval: steps between checkpoints; 0: none.
        save_epoch_interval: epochs between checkpoints that stay.
        keep: the weights that the run gives: of the lowest validation loss, or the last.
        loader_workers: processes that read and decode for each process; 0: itself.
        shuffle_captions: give each picture the caption of another: the control.
        seed: of everything drawn.
        kd: distillation.
    """

    name: str
    batch_size: int
    processes: int
    chunk_size: int
    epochs: int
    max_steps: int
    lr: float
    weight_decay: float
    warmup: int
    beta1: float
    beta2: float
    eps: float
    precision: Precision
    augment: bool
    context_length: int
    text_dropout: float
    freeze_vision: bool
    gradient_checkpointing: bool
    valid_step_interval: int
    save_step_interval: int
    save_epoch_interval: int
    keep: Literal["best", "last"]
    loader_workers: int
    shuffle_captions: bool
    seed: int
    kd: Distillation

    @property
    def share(self) -> int:
        """Pairs of a batch that one process has."""
        return self.batch_size // self.processes

    @property
    def chunks(self) -> list[slice]:
        """The rows of a process's share that are forwarded at once, in order."""
        size = self.chunk_size or self.share
        return [slice(start, min(start + size, self.share)) for start in range(0, self.share, size)]


def run_options(name: str, plain: Mapping[str, Any]) -> RunOptions:
    """The options of a run from the configuration, which may hold more than these.

    Args:
        name: of the run.
        plain: every option of `RunOptions` by name, `kd` a mapping of those of `Distillation`.

    Raises:
        ConfigError: one is missing, or some do not go together.
    """
    where = f"cnclip.runs.{name}"
    kd = Distillation(**chosen_options(Distillation, {"teacher": "", **plain["kd"]}, f"{where}.kd"))
    options = RunOptions(**chosen_options(RunOptions, {**plain, "name": name, "kd": kd}, where))
    if options.precision not in ("fp32", "bf16"):
        raise ConfigError(
            f"{where}.precision: {options.precision!r}: only fp32 and bf16 train; fp16 weights lose AdamW's small "
            "second moments, and the model collapses"
        )
    if options.batch_size % options.processes:
        raise ConfigError(
            f"{where}.batch_size: {options.batch_size} pairs cannot be shared evenly by {options.processes} processes"
        )
    if kd.name == "kl_feat" and not kd.beta:
        raise ConfigError(f"{where}.kd.beta: 0 makes kl_feat the same as kl; give it a weight or take kl")
    if kd.name != "none" and not kd.teacher:
        raise ConfigError(f"{where}.kd.teacher is missing: {kd.name} needs one; name it or set name: none")
    if kd.name != "none" and options.augment and not kd.online:
        raise ConfigError(
            f"{where}.augment: features of a teacher that were made once are those of the pictures as they are; set "
            "augment: false, or kd.online: true, which runs the teacher on every changed picture"
        )
    return options


def what_counts(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of options, as `dataclasses.asdict` gives them, those that a training that goes on must not have changed."""
    return {key: value for key, value in options.items() if key not in _FREE}
