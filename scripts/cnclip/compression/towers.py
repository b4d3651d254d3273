"""The two halves of a Chinese CLIP model as functions of one tensor, the form in which they are exported."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.compression.halves import Side


class ImageTower(nn.Module):
    """Pixels (B, 3, S, S) float32 to features (B, D), not normalised."""

    def __init__(self, model: ChineseCLIPModel) -> None:
        super().__init__()
        self.vision_model, self.visual_projection = model.vision_model, model.visual_projection

    def forward(self, image: Tensor) -> Tensor:  # noqa: D102 - the class says it
        features: Tensor = self.visual_projection(self.vision_model(pixel_values=image).pooler_output)
        return features


class TextTower(nn.Module):
    """Token ids (B, C) int64, padded with 0, to features (B, D), not normalised."""

    def __init__(self, model: ChineseCLIPModel) -> None:
        super().__init__()
        self.text_model, self.text_projection = model.text_model, model.text_projection

    def forward(self, text: Tensor) -> Tensor:  # noqa: D102 - the class says it
        # As what is added to the attention, (B, 1, 1, C): transformers makes it of a (B, C) mask in a dozen operators
        # more, which every runtime would have to know.
        least = torch.finfo(torch.float32).min
        mask = torch.where(text != 0, 0.0, least)[:, None, None, :]
        features: Tensor = self.text_projection(self.text_model(input_ids=text, attention_mask=mask)[0][:, 0])
        return features


def towers(model: ChineseCLIPModel) -> dict[Side, nn.Module]:
    """Both halves of a copy of the model, ready to be exported; the model itself stays as it is."""
    model = copy.deepcopy(model)
    model.eval()  # type: ignore[no-untyped-call]
    # Spelt out, attention is matmul, softmax, matmul; the fused kernel's export also looks for NaN.
    model.set_attn_implementation("eager")
    return {"img": ImageTower(model), "txt": TextTower(model)}


def input_shape(config: Any, side: Side, context_length: int) -> tuple[int, ...]:
    """Shape of one row of a half's input: (3, S, S) or (C,)."""
    if side == "txt":
        return (context_length,)
    size = config.vision_config.image_size
    return (config.vision_config.num_channels, size, size)
