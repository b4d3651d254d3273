"""What CLIP's vision tower says of a frame as a whole, and of each patch of it."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.clip.modeling_clip import CLIPEncoderLayer, CLIPModel


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
    features = clip.visual_projection(vision.post_layernorm(_last_block(last, states, dense=dense))).float()
    if not dense:
        return FrameFeatures(features[:, 0], None)
    edge = vision.embeddings.image_size // vision.embeddings.patch_size
    return FrameFeatures(features[:, 0], features[:, 1:].transpose(1, 2).reshape(len(pixels), -1, edge, edge))


def _last_block(block: CLIPEncoderLayer, states: Tensor, *, dense: bool) -> Tensor:
    """What is read of the last block: the class token, and where wanted the patches, which attend to nothing.

    So only the class token asks, and both go through the rest of the block once: twice as whole blocks is a tenth of
    the tower's work more.

    Args:
        block: the last one.
        states: (N, 1 + H W, width), of the one before.
        dense: whether the patches are wanted.

    Returns:
        (N, 1 + H W, width), or of the class token alone (N, 1, width).
    """
    attention = block.self_attn
    normed = block.layer_norm1(states)
    values = attention.v_proj(normed)
    asked = (attention.q_proj(normed[:, :1]), attention.k_proj(normed), values)
    heads = (each.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for each in asked)
    seen = functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    if dense:
        seen = torch.cat([seen, values[:, 1:]], 1)
    passed: Tensor = states[:, : seen.shape[1]] + attention.out_proj(seen)
    passed = passed + block.mlp(block.layer_norm2(passed))
    return passed
