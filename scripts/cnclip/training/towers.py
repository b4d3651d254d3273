"""The two encoders of a model as a training step runs them: pixels and tokens in, unit rows out."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import QuickGELUActivation
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel, ChineseCLIPTextSelfAttention

from scripts.cnclip.training.options import RunOptions
from scripts.shared.clip_pixels import MEAN, STD

_QUICK = 1.702  # of QuickGELU: near GELU, Hendrycks and Gimpel 2016, arXiv:1606.08415


class LeanQuickGelu(nn.Module):
    """x sigmoid(1.702 x) by the kernels of SiLU, which keep one tensor for the gradient instead of two."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return functional.silu(_QUICK * x) * (1 / _QUICK)


def prepare(model: ChineseCLIPModel, options: RunOptions) -> ChineseCLIPModel:
    """Make a model one that is trained as the options say; what it computes and its weights stay."""
    model.set_attn_implementation("sdpa")
    for layer in model.vision_model.encoder.layers:
        if isinstance(layer.mlp.activation_fn, QuickGELUActivation):
            layer.mlp.activation_fn = LeanQuickGelu()
    for module in model.text_model.modules():
        if isinstance(module, nn.Dropout):
            module.p = options.text_dropout
        if isinstance(module, ChineseCLIPTextSelfAttention):
            module.attention_dropout = options.text_dropout
    if options.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    if options.freeze_vision:
        model.vision_model.requires_grad_(False)
        model.visual_projection.requires_grad_(False)
    model.train()
    return model


def pixel_values(pictures: Tensor) -> Tensor:
    """Pictures as the image encoder takes them.

    Args:
        pictures: (n, 3, S, S) uint8, or float32 that is normalised already.

    Returns:
        (n, 3, S, S) float32 of mean 0 and deviation 1 over CLIP's pictures.
    """
    if pictures.dtype != torch.uint8:
        return pictures
    # From the CPU each time, without waiting for it: 24 bytes.
    mean, std = (torch.tensor(of).view(3, 1, 1).to(pictures.device, non_blocking=True) for of in (MEAN, STD))
    return (pictures.float() / 255 - mean) / std


def image_rows(model: ChineseCLIPModel, pictures: Tensor) -> Tensor:
    """(n, d) float32 unit rows of (n, 3, S, S) pictures; see `pixel_values`."""
    features = model.get_image_features(pixel_values=pixel_values(pictures)).pooler_output
    return functional.normalize(features.float(), dim=-1)


def text_rows(model: ChineseCLIPModel, ids: Tensor) -> Tensor:
    """(n, d) float32 unit rows of (n, length) int64 tokens, zero where a text has ended.

    The model must attend by `sdpa`, which takes the mask as it is made here: transformers' own asks the device first
    whether any text has ended early, and a GPU that is asked stands still.
    """
    n, length = ids.shape
    mask = (ids != 0)[:, None, None, :].expand(n, 1, length, length)
    features = model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
    return functional.normalize(features.float(), dim=-1)
