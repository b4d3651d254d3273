"""The options of a training run, as code has them. Light: imported while planning."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scripts.shared.errors import ConfigError
from scripts.shared.training.run_options import chosen_options

# What says how a run is made and not what it gives but for rounding; it may change while a run is under way.
_FREE = frozenset(
    {"name", "processes", "frame_chunk", "num_workers", "log_steps", "save_steps", "save_total_limit", "checkpoints"}
)
_RESUME_MODES = ("auto", "never")


@dataclass(frozen=True)
class RunOptions:
    """How a run trains.

    Attributes:
        name: of the run.
        num_frames: T, frames of an item.
        batch_size: items that are compared with each other, over all processes; even.
        accumulation: batches whose gradients make one step.
        processes: that share a batch.
        epochs: passes over the items.
        max_steps: steps in all; 0: as many as the epochs have.
        lr: highest learning rate of the picture tower.
        text_lr: of the text tower.
        new_lr: of what CLIP does not have.
        weight_decay: of AdamW.
        max_grad_norm: longer gradients are scaled down to it.
        warmup_steps: steps in which the rates rise; below 1 that part of all steps.
        precision: fp32, bf16 for what autocast runs in it, or auto: bf16 on a GPU.
        log_steps: steps between two rows of what is measured.
        save_steps: steps between checkpoints; 0: after each epoch alone.
        save_total_limit: checkpoints that are kept.
        resume_from_checkpoint: auto, never, or the path of a checkpoint to begin with.
        num_workers: processes that decode for each process; 0: itself.
        frame_chunk: frames that are encoded at once.
        finetune: of CLIP learns all, none, or the last n layers of both towers.
        region_weight: of the regions' loss beside the videos'.
        max_regions: annotated regions of one item in one batch, at most.
        background_region: whether anomalous items get a region on the frames that no box covers.
        background_caption: of that.
        normal_boxes: what regions without boxes have in normal items.
        augment: how items are changed.
        keep_best: take the epoch with the lowest loss on held-out videos.
        hold_out: part of the videos that nothing learns from then.
        checkpoints: epochs whose models stay.
        shuffle_captions: give each item the captions of another: the control.
        long_captions: read captions of items up to 248 tokens.
        temporal_layers: of the temporal module.
        seed: of everything drawn.
    """

    name: str
    num_frames: int
    batch_size: int
    accumulation: int
    processes: int
    epochs: int
    max_steps: int
    lr: float
    text_lr: float
    new_lr: float
    weight_decay: float
    max_grad_norm: float
    warmup_steps: float
    precision: Literal["auto", "fp32", "bf16"]
    log_steps: int
    save_steps: int
    save_total_limit: int
    resume_from_checkpoint: str
    num_workers: int
    frame_chunk: int
    finetune: Literal["all", "none"] | int
    region_weight: float
    max_regions: int
    background_region: bool
    background_caption: str
    normal_boxes: Literal["random", "none"]
    augment: Literal["none", "flip", "colour"]
    keep_best: bool
    hold_out: float
    checkpoints: Literal["last", "all"] | tuple[int, ...]
    shuffle_captions: bool
    long_captions: bool
    temporal_layers: int
    seed: int

    @property
    def share(self) -> int:
        """Items of a batch that one process has."""
        return self.batch_size // self.processes

    @property
    def frozen(self) -> bool:
        """Whether nothing of CLIP learns: then features of frames are made once, and kept."""
        return self.finetune == "none"

    @property
    def start_from(self) -> Path | None:
        """The checkpoint that the run is told to begin with."""
        named = self.resume_from_checkpoint
        return None if named in _RESUME_MODES else Path(named)

    @property
    def what_counts(self) -> dict[str, Any]:
        """The options that a training that goes on must not have changed."""
        held = {key: value for key, value in asdict(self).items() if key not in _FREE}
        return held | {"resume_from_checkpoint": self.start_from and str(self.start_from)}

    def warmup(self, steps: int) -> int:
        """Steps of the warm-up of a training of so many."""
        return math.ceil(self.warmup_steps * steps) if self.warmup_steps < 1 else round(self.warmup_steps)

    def kept_epochs(self, epochs: int) -> list[int]:
        """The epochs, from 1, of a training of so many whose models stay beside the outcome, that of the last one."""
        if self.checkpoints == "last":
            return []
        wanted: Sequence[int] = range(1, epochs) if self.checkpoints == "all" else self.checkpoints
        return sorted(epoch for epoch in wanted if epoch <= epochs)


def run_options(name: str, plain: Mapping[str, Any]) -> RunOptions:
    """The options of a run from the configuration, which may hold more than these.

    Args:
        name: of the run.
        plain: every option of `RunOptions` by name.

    Raises:
        ConfigError: one is missing, or some do not go together.
    """
    where = f"fgclip.runs.{name}"
    checkpoints = plain.get("checkpoints", "last")
    if not isinstance(checkpoints, str):
        checkpoints = tuple(checkpoints)
    options = RunOptions(**chosen_options(RunOptions, {**plain, "name": name, "checkpoints": checkpoints}, where))
    if options.shuffle_captions:
        options = replace(options, background_region=False)  # the control has no caption that is true
    _check_batch(options, where)
    if options.frozen and options.augment != "none":
        raise ConfigError(
            f"{where}.augment: with finetune: none the frames' features are made once, from the frames as they are; "
            "set augment: none"
        )
    if options.frozen and not options.temporal_layers:
        raise ConfigError(f"{where}: finetune: none and temporal_layers: 0 leave nothing that learns; change one")
    too_late = [epoch for epoch in checkpoints if epoch > options.epochs] if isinstance(checkpoints, tuple) else []
    if too_late:
        raise ConfigError(f"{where}.checkpoints: epoch {too_late[0]} of a run of {options.epochs}; epochs count from 1")
    return options


def _check_batch(options: RunOptions, where: str) -> None:
    size = options.batch_size
    if size < 4:
        raise ConfigError(
            f"{where}.batch_size: {size} videos: one normal against one that is not teaches that difference alone; "
            "take 4 or more, with fewer num_frames where memory is short (accumulation adds no negatives)"
        )
    if size % 2:
        raise ConfigError(f"{where}.batch_size: {size} is odd: half of each batch is normal; take {size + 1}")
    if size % options.processes:
        raise ConfigError(f"{where}.batch_size: {size} videos cannot be shared evenly by {options.processes} processes")
