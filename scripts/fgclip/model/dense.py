"""What CLIP's vision tower says of a frame as a whole, and of each patch of it."""

from typing import NamedTuple

from torch import Tensor
from transformers.models.clip.modeling_clip import CLIPModel


class FrameFeatures(NamedTuple):
    """Features of frames in CLIP's joint space, before they are brought to unit length.

    Attributes:
        pooled: (N, D) float32, of the whole frames.
        dense: (N, D, H, W) float32, of their patches; None where not asked for.
    """

    pooled: Tensor
    dense: Tensor | None


def frame_features(clip: CLIPModel, pixels: Tensor, *, dense: bool) -> FrameFeatures:
    """Features of frames, as the vision tower of transformers computes them.

    Of the dense map the last block passes on each patch's own value instead of what the patch attends to, which in a
    CLIP is anywhere but there.

    Args:
        clip: the model.
        pixels: (N, 3, S, S) float32, normalised.
        dense: whether to compute the map.

    Source: FG-CLIP (Xie et al. 2025, arXiv:2505.05071); the value path is that of MaskCLIP (Zhou et al. 2022,
    arXiv:2112.01071).
    """
    vision = clip.vision_model
    *blocks, last = vision.encoder.layers
    states: Tensor = vision.pre_layrnorm(vision.embeddings(pixels))
    for block in blocks:
        states = block(states, attention_mask=None)
    pooled = _project(clip, last(states, attention_mask=None)[:, 0]).float()
    if not dense:
        return FrameFeatures(pooled, None)
    patches = states[:, 1:]
    patches = patches + last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(patches)))
    patches = patches + last.mlp(last.layer_norm2(patches))
    features = _project(clip, patches).float()
    edge = vision.embeddings.image_size // vision.embeddings.patch_size
    return FrameFeatures(pooled, features.transpose(1, 2).reshape(len(pixels), -1, edge, edge))


def _project(clip: CLIPModel, states: Tensor) -> Tensor:
    projected: Tensor = clip.visual_projection(clip.vision_model.post_layernorm(states))
    return projected
