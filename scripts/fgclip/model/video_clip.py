"""The network that is trained: CLIP, with time over its frames and regions on its dense map."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers.models.clip.modeling_clip import CLIPModel

from scripts.fgclip.model.dense import FrameFeatures, frame_features
from scripts.fgclip.model.pixels import pixel_values
from scripts.fgclip.model.roi_align import roi_align
from scripts.fgclip.model.temporal import AttentionPool, TemporalModule, masked_mean

LARGEST_SCALE = 100.0  # of CLIP's own training
_TEXT = ("clip.text_model.", "clip.text_projection.")
_SCALES = ("clip.logit_scale", "region_logit_scale")


class Regions(NamedTuple):
    """Features of annotated regions.

    Attributes:
        features: (B, R, D) float32 unit rows; zero where not kept.
        kept: (B, R) bool, whether the region has a box at any of the frames.
    """

    features: Tensor
    kept: Tensor


class VideoClip(nn.Module):
    """CLIP on videos. Untrained it is CLIP: features of its frames unchanged, a video's their mean.

    Args:
        clip: the backbone.
        temporal_layers: of the temporal module; 0 for none: a video is the mean of its frames.
        dropout: of the temporal module in training.
        context_length: L, ids of a text; rows of the position table beyond it are those of long texts. None for all
            rows.
    """

    def __init__(
        self, clip: CLIPModel, *, temporal_layers: int = 2, dropout: float = 0.1, context_length: int | None = None
    ) -> None:
        super().__init__()
        text: Any = clip.config.text_config
        vision: Any = clip.config.vision_config
        self.clip = clip
        self.dim = int(clip.projection_dim or 0)
        self.image_size: int = vision.image_size
        self.grid: int = vision.image_size // vision.patch_size
        self.context_length = int(context_length or text.max_position_embeddings)
        self.long_context_length = int(text.max_position_embeddings) - self.context_length
        self.temporal_layers, self.dropout = temporal_layers, dropout
        timed = temporal_layers > 0
        self.temporal = TemporalModule(self.dim, layers=temporal_layers, dropout=dropout) if timed else None
        self.pooling = AttentionPool(self.dim) if timed else None
        self.region_logit_scale = nn.Parameter(clip.logit_scale.detach().clone())

    def encode_frames(self, pixels: Tensor, *, dense: bool, chunk: int) -> FrameFeatures:
        """Features of frames.

        In training only each chunk's inputs are kept for the gradient, and the chunk is computed once more when its
        turn comes: the memory of all frames is that of one chunk. The last chunk's turn comes first, so it is kept.

        Args:
            pixels: (N, S, S, 3) uint8 as the decoder gives them, or (N, 3, S, S) float32 by `pixel_values`; N >= 1.
            dense: whether the map is wanted.
            chunk: frames at once.
        """
        learning = torch.is_grad_enabled() and any(part.requires_grad for part in self._vision_parameters())
        *first, last = torch.split(pixels, chunk)
        chunks = []
        for frames in first:
            if learning:
                chunks.append(checkpoint(self._encode_chunk, frames, dense, use_reentrant=False))
            else:
                chunks.append(self._encode_chunk(frames, dense))
        chunks.append(self._encode_chunk(last, dense))
        pooled = torch.cat([features.pooled for features in chunks])
        return FrameFeatures(pooled, torch.cat([features.dense for features in chunks]) if dense else None)

    def temporal_frames(self, pooled: Tensor, frame_mask: Tensor) -> Tensor:
        """Frame features that know of the frames around them; see `TemporalModule.forward`.

        Args:
            pooled: (B, T, D), of `encode_frames`.
            frame_mask: (B, T) bool.

        Returns:
            (B, T, D), not of unit length.
        """
        if self.temporal is None:
            return pooled
        frames: Tensor = self.temporal(pooled, frame_mask)
        return frames.float()

    def pool(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """One unit vector of each video, (B, D) float32, of `temporal_frames` and the mask of its frames."""
        pooled = masked_mean(frames, frame_mask) if self.pooling is None else self.pooling(frames, frame_mask)
        return functional.normalize(pooled.float(), dim=-1)

    def regions(self, dense: Tensor, boxes: Tensor, box_mask: Tensor) -> Regions:
        """Features of regions: the mean over their frames of the dense map within the frame's box.

        Args:
            dense: (B, T, D, H, W), of `encode_frames`.
            boxes: (B, T, R, 4) x1, y1, x2, y2 in [0, 1].
            box_mask: (B, T, R) bool, whether the region has a box at the frame.
        """
        with torch.autocast(dense.device.type, enabled=False):
            found = roi_align(dense.float().flatten(0, 1), boxes.float().flatten(0, 1))
            counted = box_mask[..., None].float()
            mean = (found.view(*box_mask.shape, -1) * counted).sum(1) / counted.sum(1).clamp(min=1)
            return Regions(functional.normalize(mean, dim=-1), box_mask.any(1))

    def encode_text(self, ids: Tensor) -> Tensor:
        """Unit vectors of texts, (n, D) float32.

        Args:
            ids: (n, L) int64; ids of long texts, (n, `long_context_length`), have positions of their own.
        """
        first = self.context_length if ids.shape[1] > self.context_length else 0
        places = torch.arange(first, first + ids.shape[1], device=ids.device)[None]
        pooled = self.clip.text_model(input_ids=ids, position_ids=places).pooler_output
        return functional.normalize(self.clip.text_projection(pooled).float(), dim=-1)

    @property
    def logit_scale(self) -> nn.Parameter:
        """Logarithm of the scale of videos against captions, ()."""
        return self.clip.logit_scale

    def scale(self) -> Tensor:
        """Scale of videos against captions, () at most 100."""
        return self.logit_scale.clamp(max=math.log(LARGEST_SCALE)).exp()

    def region_scale(self) -> Tensor:
        """Scale of regions against captions, () at most 100."""
        return self.region_logit_scale.clamp(max=math.log(LARGEST_SCALE)).exp()

    def finetune(self, mode: str | int) -> None:
        """Say what of CLIP learns; the new modules and the scales always do.

        Args:
            mode: "all", "none", or how many of the last blocks of each tower, with the norms and projections after
                them.

        Raises:
            ValueError: another mode.
        """
        if mode not in ("all", "none") and (not isinstance(mode, int) or isinstance(mode, bool) or mode < 1):
            raise ValueError(f"finetune is {mode!r}; choose all, none or a number of blocks")
        self.clip.requires_grad_(mode == "all")
        self.logit_scale.requires_grad_(True)
        if isinstance(mode, int):
            vision, text = self.clip.vision_model, self.clip.text_model
            for part in (
                *(*vision.encoder.layers[-mode:], vision.post_layernorm, self.clip.visual_projection),
                *(*text.encoder.layers[-mode:], text.final_layer_norm, self.clip.text_projection),
            ):
                part.requires_grad_(True)

    def parameter_groups(
        self, *, lr: float, text_lr: float, new_lr: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        """What an optimizer learns, each parameter in one group, always in the same order.

        Args:
            lr: of the vision tower, its projection and both scales.
            text_lr: of the text tower and its projection.
            new_lr: of the temporal module, its gate and the pooling.
            weight_decay: of matrices; scales, norms, biases and the class token are not drawn to zero.

        Returns:
            Groups with `name`, `params`, `lr` and `weight_decay`; none is empty.
        """
        rates = {"vision": lr, "text": text_lr, "new": new_lr}
        groups: dict[str, dict[str, Any]] = {}
        for part, rate in rates.items():
            for decay, name in ((weight_decay, part), (0.0, f"{part}_undecayed")):
                groups[name] = {"name": name, "params": [], "lr": rate, "weight_decay": decay}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                group = _part_of(name) + ("" if parameter.ndim > 1 else "_undecayed")
                groups[group]["params"].append(parameter)
        return [group for group in groups.values() if group["params"]]

    def _encode_chunk(self, frames: Tensor, dense: bool) -> FrameFeatures:
        pixels = pixel_values(frames) if frames.dtype == torch.uint8 else frames
        return frame_features(self.clip, pixels, dense=dense)

    def _vision_parameters(self) -> list[nn.Parameter]:
        return [*self.clip.vision_model.parameters(), *self.clip.visual_projection.parameters()]


def _part_of(name: str) -> str:
    """Which of a training's rates a parameter has."""
    if name.startswith(_TEXT):
        return "text"
    return "vision" if name.startswith("clip.") or name in _SCALES else "new"
