"""What learns: the model and its optimizer, batch by batch; and what a checkpoint holds of them."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from scripts.fgclip.model.video_clip import LARGEST_SCALE, VideoClip
from scripts.fgclip.training.item_reader import Batch
from scripts.fgclip.training.losses import Losses, Rows, batch_losses
from scripts.fgclip.training.options import RunOptions
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.training.determinism import seeded_draws
from scripts.shared.training.gradients import gradient_of, sum_gradients
from scripts.shared.training.processes import Processes

_FULL = "can't allocate memory"  # what PyTorch says of the CPU's


class Measured(NamedTuple):
    """What was measured in one step, means over its batches.

    Attributes:
        loss: that was minimised.
        loss_global: of the videos.
        loss_region: of the regions.
        chance_global: what that of the videos is where nothing was learnt.
        chance_region: likewise.
        n_videos: that took part, over all batches and processes.
        grad_norm: length of the gradient before it was scaled down.
    """

    loss: float
    loss_global: float
    loss_region: float
    chance_global: float
    chance_region: float
    n_videos: int
    grad_norm: float = math.nan


class Learner:
    """One process's copy of a model that is trained; all copies stay equal.

    Args:
        model: on the device; it is changed.
        options: of the run.
        processes: those that train together.
    """

    def __init__(self, model: VideoClip, options: RunOptions, processes: Processes) -> None:
        self.model, self._options, self._processes = model, options, processes
        model.finetune(options.finetune)
        groups = model.parameter_groups(
            lr=options.lr, text_lr=options.text_lr, new_lr=options.new_lr, weight_decay=options.weight_decay
        )
        for group in groups:
            group["highest_lr"] = group["lr"]
        self.optimizer = AdamW(groups, fused=True)
        self._scales = [model.logit_scale, model.region_logit_scale]
        held = {id(scale) for scale in self._scales}
        self._encoders = [part for part in model.parameters() if part.requires_grad and id(part) not in held]
        self._bf16 = options.precision == "bf16" or (options.precision == "auto" and processes.device.type == "cuda")
        self._limit_scales()

    def learn(self, batches: Iterator[Batch], step: int, factor: float) -> Measured:
        """Take a step.

        Args:
            batches: gives this process's share of each batch of the step, one after the other.
            step: from 0.
            factor: of the learning rates.

        Raises:
            JobError: the loss or its gradient is no number, or memory ran out.
        """
        self.model.train()
        self.optimizer.zero_grad()
        names: list[str] = []
        seen = []
        with self._memory_told():
            for number in range(self._options.accumulation):
                batch = next(batches)
                names.extend(batch.names)
                seen.append(self._add_gradient(batch, step, number))
            sum_gradients(self._encoders, self._scales, self._processes)
            learning = [*self._encoders, *self._scales]
            for part in learning:
                gradient_of(part)  # what no batch of the step used has a gradient too: none
            norm = clip_grad_norm_(learning, self._options.max_grad_norm).item()
            if not math.isfinite(norm):
                self._broke_down(f"the gradient is {norm}", step, names)
            for group in self.optimizer.param_groups:
                group["lr"] = factor * group["highest_lr"]
            self.optimizer.step()
            self._limit_scales()
        return mean_measured(seen)._replace(grad_norm=norm)

    @torch.no_grad()
    def measure(self, batch: Batch) -> Measured:
        """The losses of a batch from which nothing is learnt; every process takes part.

        Args:
            batch: this process's share of it.
        """
        self.model.train(False)
        with self._memory_told():
            return _measured(self._losses(_gathered(self._rows(batch), self._processes)))

    def _add_gradient(self, batch: Batch, step: int, number: int) -> Measured:
        """Add a batch's part to the gradients: of its rows here, of the scales the whole."""
        with seeded_draws(
            self._options.seed, "dropout", step, number, self._processes.rank, device=self._processes.device
        ):
            rows = self._rows(batch)
        whole = _gathered(rows, self._processes)
        losses = self._losses(whole)
        measured = _measured(losses)
        if not math.isfinite(measured.loss):
            parts = f"loss_global {measured.loss_global}, loss_region {measured.loss_region}"
            self._broke_down(f"the loss is {measured.loss} ({parts})", step, list(batch.names))
        (losses.total / self._options.accumulation).backward()  # type: ignore[no-untyped-call]
        wanted = []
        for own, gathered in zip(rows, whole, strict=True):
            if own.requires_grad:
                start = self._processes.rank * len(own)
                wanted.append((own, gradient_of(gathered)[start : start + len(own)]))
        if wanted:
            torch.autograd.backward([own for own, _ in wanted], [gradient for _, gradient in wanted])
        return measured

    def _losses(self, rows: Rows) -> Losses:
        weight = 0.0 if self._options.frozen else self._options.region_weight
        return batch_losses(rows, self.model.scale(), self.model.region_scale(), weight)

    def _rows(self, batch: Batch) -> Rows:
        """What the losses compare, of this process's share of a batch."""
        model, device, options = self.model, self._processes.device, self._options
        shape = batch.frame_mask.shape
        with_regions = bool(options.region_weight) and not options.frozen and bool(batch.box_mask.any())
        place = batch.frame_mask.flatten().nonzero()[:, 0].to(device)
        frame_mask = batch.frame_mask.to(device, non_blocking=True)
        frames = batch.frames.to(device, non_blocking=True)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._bf16):
            dense = None
            if options.frozen:
                pooled = frames
            else:
                pooled, dense = model.encode_frames(frames, dense=with_regions, chunk=options.frame_chunk)
            padded = model.temporal_frames(_placed(pooled, place, shape), frame_mask)
            videos = model.pool(padded, frame_mask)
            captions = self._texts(batch.caption_ids)
            n_regions = batch.region_keys.numel()
            if dense is None:
                regions = region_captions = videos.new_zeros(n_regions, model.dim)
                regions_kept = batch.region_keys.new_zeros(n_regions)
            else:
                found = model.regions(_placed(dense, place, shape), batch.boxes.to(device), batch.box_mask.to(device))
                regions = found.features.flatten(0, 1)
                regions_kept = (found.kept & batch.kept.to(device)[:, None]).flatten().long()
                region_captions = self._texts(batch.region_ids.flatten(0, 1))
        return Rows(
            videos=videos,
            captions=captions,
            caption_keys=batch.caption_keys.to(device),
            kept=batch.kept.long().to(device),
            regions=regions,
            region_captions=region_captions,
            region_keys=batch.region_keys.flatten().to(device),
            regions_kept=regions_kept.to(device),
        )

    def _texts(self, ids: Tensor) -> Tensor:
        """(n, D) unit rows of (n, L) ids, each different text encoded once."""
        different, which = torch.unique(ids, dim=0, return_inverse=True)
        device = self._processes.device
        return self.model.encode_text(different.to(device)).index_select(0, which.to(device))

    @torch.no_grad()
    def _limit_scales(self) -> None:
        for scale in self._scales:
            # Beyond it the model clamps the scale, which then had no gradient to come back by.
            scale.clamp_(max=math.log(LARGEST_SCALE))

    def _broke_down(self, how: str, step: int, names: list[str]) -> None:
        everywhere = ", ".join(sorted({name for of in self._processes.gather(names) for name in of}))
        raise JobError(
            f"[{self._options.name}] step {step + 1}: {how}; the items were {everywhere}. No checkpoint of that is "
            "kept; lower lr to 5e-6 and text_lr to 2e-6, keep max_grad_norm at 1.0, or set precision: fp32"
        )

    @contextmanager
    def _memory_told(self) -> Iterator[None]:
        try:
            yield
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not isinstance(error, torch.OutOfMemoryError | MemoryError) and _FULL not in str(error):
                raise
            options = self._options
            raise JobError(
                f"[{options.name}] memory ran out ({str(error).splitlines()[0]:.200}); lower frame_chunk "
                f"({options.frame_chunk}) or num_frames ({options.num_frames}, such as half of it), or take fewer "
                f"videos a batch and more accumulation (now {options.batch_size} x {options.accumulation})"
            ) from error

    @property
    def scales(self) -> dict[str, float]:
        """Logarithms of the scales of both losses, as they are now."""
        videos, regions = (scale.item() for scale in self._scales)
        return {"logit_scale": videos, "region_logit_scale": regions}

    def checkpoint(self) -> dict[str, Any]:
        """All that goes on; tensors of the model itself."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, value: Mapping[str, Any], *, where: str) -> None:
        """Go on from what `checkpoint` gave.

        Raises:
            ConfigError: it is of another model, or other parts of it learnt.
        """
        self.load_weights(value["model"], where=where)
        try:
            self.optimizer.load_state_dict(value["optimizer"])
        except ValueError as error:
            raise ConfigError(f"{where}: its optimizer learns other parts ({error}); finetune was another") from error

    def load_weights(self, state: Mapping[str, Tensor], *, where: str) -> None:
        """Take the weights of a checkpoint.

        Raises:
            ConfigError: they are those of another model.
        """
        try:
            self.model.load_state_dict(state)
        except RuntimeError as error:
            raise ConfigError(f"{where}: holds the weights of another model than this run's") from error


def _placed(rows: Tensor, place: Tensor, shape: torch.Size) -> Tensor:
    """(B, T, ...) float32 of the rows of those frames that there are, zeros at the others."""
    n_videos, n_frames = shape
    held = rows.new_zeros((n_videos * n_frames, *rows.shape[1:]), dtype=torch.float32)
    return held.index_copy(0, place, rows.float()).view(n_videos, n_frames, *rows.shape[1:])


def _gathered(rows: Rows, processes: Processes) -> Rows:
    """The rows of all processes, as leaves of their own that take a gradient where they are features."""
    whole = [processes.gather_rows(each) for each in rows]
    return Rows(*(each.requires_grad_() if each.is_floating_point() else each for each in whole))


def _measured(losses: Losses) -> Measured:
    return Measured(
        loss=losses.total.item(),
        loss_global=losses.videos.loss.item(),
        loss_region=losses.regions.loss.item(),
        chance_global=losses.videos.chance.item(),
        chance_region=losses.regions.chance.item(),
        n_videos=losses.videos.n,
    )


def mean_measured(seen: list[Measured]) -> Measured:
    """Means over batches, and the sum of the videos that took part."""
    means = (sum(values) / len(seen) for values in zip(*seen, strict=True))
    return Measured(*means)._replace(n_videos=sum(each.n_videos for each in seen))
