"""A Chinese CLIP put together from OpenAI's vision transformer and a Chinese RoBERTa, as upstream begins from scratch.

What upstream takes is taken: the whole vision tower with its projection and the temperature of the one, the tower
without its pooler of the other. The text projection is fresh.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.architecture import (
    LOGIT_SCALE,
    Sizes,
    TextSizes,
    make_config,
)
from scripts.cnclip.model_files.folder import model_of
from scripts.cnclip.model_files.official import PREFIX
from scripts.shared.clip_weights import VisionSizes, is_computed, renamed, vision_layout, vision_sizes
from scripts.shared.errors import ConfigError
from scripts.shared.torch_file import load_named
from scripts.shared.weight_files import read_weights, weights_file

_POSITIONS = "vision_model.embeddings.position_embedding.weight"
_COMPUTED = "embeddings.position_ids"  # numbers in older folders of BERT
_OLD_NAMES = {"gamma": "weight", "beta": "bias"}  # of a LayerNorm, in BERTs that came from TensorFlow


class _Vision(NamedTuple):
    dim: int
    sizes: VisionSizes
    act: str
    state: dict[str, Tensor]


def assemble(vision: Path, text: Path, *, seed: int, image_size: int | None = None) -> ChineseCLIPModel:
    """Put a model together, on the CPU in float32 and evaluation mode.

    Args:
        vision: OpenAI's ViT: its `.pt` (a TorchScript archive or a saved state dict), or a CLIP folder in Hugging
            Face's layout.
        text: a BERT folder in Hugging Face's layout.
        seed: of the text projection.
        image_size: edge of the pictures; None for that of `vision`. For another one its positions are resized.

    Raises:
        ConfigError: a file is missing, damaged or of another kind; names the first tensor that is wrong.
    """
    seen = _hugging_face_vision(vision) if vision.is_dir() else _openai_vision(vision)
    text_sizes, text_state = _bert(text)
    sizes = seen.sizes
    if image_size is not None and image_size != sizes.image:
        if image_size % sizes.patch:
            raise ConfigError(f"image_size: {image_size} is no multiple of the model's patches of {sizes.patch}")
        resized = resize_position_embedding(seen.state[_POSITIONS].float(), image_size // sizes.patch)
        seen, sizes = seen._replace(state=seen.state | {_POSITIONS: resized}), sizes._replace(image=image_size)
    config = make_config(Sizes(seen.dim, sizes, text_sizes))
    vision_config: Any = config.vision_config
    vision_config.hidden_act = seen.act
    generator = torch.Generator().manual_seed(seed)
    projection = torch.randn(seen.dim, text_sizes.width, generator=generator) * text_sizes.width**-0.5
    fresh = {"text_projection.weight": projection, "logit_scale": torch.tensor(LOGIT_SCALE)}
    return model_of(config, fresh | seen.state | text_state, where=f"{vision} with {text}")


def resize_position_embedding(positions: Tensor, grid: int) -> Tensor:
    """Position embedding of a square of patches for another square; the class token's stays.

    Args:
        positions: (1 + n * n, width) float32, the class token first.
        grid: patches along an edge of the new square.

    Returns:
        (1 + grid * grid, width) float32. Bicubic with the corners aligned, as upstream's `resize_pos_embed`.
    """
    token, patches = positions[:1], positions[1:]
    edge = round(len(patches) ** 0.5)
    square = patches.T.reshape(1, -1, edge, edge)
    resized = nn.functional.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=True)
    return torch.cat([token, resized.reshape(positions.shape[1], grid * grid).T])


def _openai_vision(path: Path) -> _Vision:
    state = _openai_state(path)
    dim, sizes = vision_sizes(state, str(path))
    converted = renamed(state, vision_layout(sizes.layers), str(path))
    temperature = {"logit_scale": state["logit_scale"]} if "logit_scale" in state else {}
    return _Vision(dim, sizes, "quick_gelu", converted | temperature)


def _openai_state(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; name OpenAI's ViT-B-16.pt or a CLIP folder of Hugging Face")
    return {key.removeprefix(PREFIX): value for key, value in load_named(path).items()}


def _hugging_face_vision(folder: Path) -> _Vision:
    said = _read_config(folder)
    part = said.get("vision_config", said)
    state = {
        key: value
        for key, value in read_weights(weights_file(folder)).items()
        if key.startswith(("vision_model.", "visual_projection.", "logit_scale")) and not is_computed(key)
    }
    if "visual_projection.weight" not in state:
        raise ConfigError(f"{folder}: has no tensor 'visual_projection.weight', so it is no CLIP of Hugging Face")
    try:
        width, mlp = int(part["hidden_size"]), int(part["intermediate_size"])
        sizes = VisionSizes(
            width,
            int(part["num_hidden_layers"]),
            int(part["num_attention_heads"]),
            int(part["patch_size"]),
            int(part.get("image_size", 224)),
            None if mlp == 4 * width else mlp,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{folder}/config.json: does not say the sizes of a CLIP's vision tower ({error})") from error
    dim = len(state["visual_projection.weight"])
    act = str(part.get("hidden_act", "quick_gelu"))
    return _Vision(dim, sizes, act, state)


def _bert(folder: Path) -> tuple[TextSizes, dict[str, Tensor]]:
    said = _read_config(folder)
    if said.get("model_type", "bert") != "bert":
        raise ConfigError(
            f"{folder}/config.json: describes a model of the type {said['model_type']!r}; Chinese RoBERTas, such as "
            "chinese-roberta-wwm-ext, are of the type 'bert'"
        )
    try:
        width, mlp = int(said["hidden_size"]), int(said["intermediate_size"])
        sizes = TextSizes(
            width,
            int(said["num_hidden_layers"]),
            int(said["num_attention_heads"]),
            int(said["max_position_embeddings"]),
            None if mlp == 4 * width else mlp,
            int(said["vocab_size"]),
            int(said.get("type_vocab_size", 2)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{folder}/config.json: does not say the sizes of a BERT ({error})") from error
    state: dict[str, Tensor] = {}
    for key, value in read_weights(weights_file(folder)).items():
        name = key.removeprefix("bert.")
        if not name.startswith(("embeddings.", "encoder.")) or name == _COMPUTED:
            continue  # heads of BERT's own training, and the pooler
        stem, _, last = name.rpartition(".")
        state[f"text_model.{stem}.{_OLD_NAMES.get(last, last)}"] = value
    return sizes, state


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); name a folder of Hugging Face's layout"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is no JSON ({error}); copy it again") from error
    if not isinstance(said, dict):
        raise ConfigError(f"{path}: describes no model; copy it again")
    return said
