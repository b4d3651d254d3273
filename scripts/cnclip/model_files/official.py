"""Official Chinese-CLIP checkpoints (`.pt`): read, turned into models of transformers, and written.

Source: the layout of OFA-Sys/Chinese-CLIP's checkpoints: a dict of epoch, step, name, state_dict and optimizer. Query,
key and value of a vision attention are one matrix there, and both projections are transposed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.models.chinese_clip.configuration_chinese_clip import ChineseCLIPConfig
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.architecture import (
    ARCHITECTURES,
    Sizes,
    TextSizes,
    VisionSizes,
    make_config,
)
from scripts.cnclip.model_files.folder import model_of
from scripts.shared.errors import ConfigError
from scripts.shared.torch_file import load_plain

PREFIX = "module."  # of every name, since upstream saves its model in the wrapper that trained it
_POOLER = "bert.pooler"  # a layer of BERT that upstream leaves out when it loads
# Widths of one head, which leave no trace in the weights: of all towers but the vision tower of ViT-H/14.
_VISION_HEAD, _TEXT_HEAD = 64, 64
_VISION_HEAD_OF_H, _WIDTH_OF_H = 80, 1280


@dataclass(frozen=True)
class OfficialTensor:
    """One tensor of an official checkpoint, and where it lies in a model of transformers.

    Attributes:
        name: in the checkpoint, without `module.`.
        parts: names in transformers; several are one below the other in the official tensor.
        transposed: whether rows and columns are the other way round.
    """

    name: str
    parts: tuple[str, ...]
    transposed: bool = False

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """The official tensor of its parts; also for what has their shapes, such as gradients and AdamW's moments."""
        whole = torch.cat(list(parts)) if len(parts) > 1 else parts[0]
        return whole.T.contiguous() if self.transposed else whole

    def split(self, whole: Tensor) -> list[Tensor]:
        """The parts of an official tensor; the other way round of `join`."""
        pieces = list(whole.chunk(len(self.parts))) if len(self.parts) > 1 else [whole]
        return [piece.T.contiguous() if self.transposed else piece for piece in pieces]


@dataclass(frozen=True)
class Official:
    """What an official checkpoint holds.

    Attributes:
        state: tensors by their official names, without `module.`.
        epoch: epochs done.
        step: optimizer steps done.
        name: of the run.
        optimizer: state of AdamW in the official order of parameters; empty where the file has none.
    """

    state: dict[str, Tensor]
    epoch: int = 0
    step: int = 0
    name: str = ""
    optimizer: dict[str, Any] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Official:
    """Read an official checkpoint to the CPU, or a bare state dict in its layout; nothing in it is run.

    Raises:
        ConfigError: it does not exist, is damaged, holds more than tensors, or is no Chinese CLIP.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; name an official Chinese-CLIP checkpoint (.pt) or a model folder")
    found = load_plain(path)
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: holds no tensors by name, so it is no Chinese-CLIP checkpoint")
    state = found.get("state_dict", found)
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ConfigError(f"{path}: has no state_dict of tensors, so it is no Chinese-CLIP checkpoint")
    optimizer = found.get("optimizer")
    return Official(
        {str(key).removeprefix(PREFIX): value for key, value in state.items()},
        _whole(found, "epoch"),
        _whole(found, "step"),
        str(found.get("name", "")) if "state_dict" in found else "",
        optimizer if isinstance(optimizer, dict) else {},
    )


def load_official(path: Path) -> ChineseCLIPModel:
    """The model of an official checkpoint, on the CPU in float32 and evaluation mode.

    Raises:
        ConfigError: see `read_checkpoint` and `to_transformers`; or a value is not finite.
    """
    config, state = to_transformers(read_checkpoint(path).state, where=str(path))
    return model_of(config, state, where=str(path))


def to_transformers(
    state: Mapping[str, Tensor],
    *,
    where: str = "the checkpoint",
    vision_heads: int | None = None,
    heads_of_text: int | None = None,
) -> tuple[ChineseCLIPConfig, dict[str, Tensor]]:
    """An official state dict as transformers has it. No value changes.

    Args:
        state: tensors by official names, with or without `module.`; BERT's pooler is left out.
        where: the file, as an error should name it.
        vision_heads: heads of the vision tower, which leave no trace in the weights; None for those of the
            architecture with these sizes, or else widths of 64 a head.
        heads_of_text: the same for the text tower.

    Raises:
        ConfigError: it is an RN50, or a tensor is missing, unexpected or of another shape; names the first.
    """
    held = {key.removeprefix(PREFIX): value for key, value in state.items()}
    held = {key: value for key, value in held.items() if not key.startswith(_POOLER)}
    dim, vision = vision_sizes(held, where)
    sizes = Sizes(dim, vision, _text_sizes(held, where))
    known = next((there for there in ARCHITECTURES.values() if _without_heads(there) == _without_heads(sizes)), sizes)
    sizes = sizes._replace(
        vision=sizes.vision._replace(heads=vision_heads or known.vision.heads),
        text=sizes.text._replace(heads=heads_of_text or known.text.heads),
    )
    for part, tower in (("vision", sizes.vision), ("text", sizes.text)):
        if tower.width % tower.heads:
            raise ConfigError(f"{where}: {tower.heads} heads do not divide the {part} tower's width of {tower.width}")
    layout = official_layout(sizes.vision.layers, sizes.text.layers)
    unexpected = set(held).difference(tensor.name for tensor in layout)
    if unexpected:
        raise ConfigError(f"{where}: {min(unexpected)!r} is no tensor of a Chinese CLIP; name an official checkpoint")
    converted: dict[str, Tensor] = {}
    for tensor in layout:
        if tensor.name not in held:
            raise ConfigError(f"{where}: tensor {tensor.name!r} is missing; the file is not whole, take it again")
        converted.update(zip(tensor.parts, tensor.split(held[tensor.name]), strict=True))
    return make_config(sizes), converted


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of transformers' ChineseCLIPModel as upstream has it: its names with `module.`, in its order.

    Raises:
        KeyError: a tensor is missing.
    """
    layout = official_layout(
        _n_layers(state, "vision_model.encoder.layers."), _n_layers(state, "text_model.encoder.layer.")
    )
    return {PREFIX + tensor.name: tensor.join([state[part] for part in tensor.parts]) for tensor in layout}


def official_layout(vision_layers: int, text_layers: int) -> tuple[OfficialTensor, ...]:
    """All tensors of an official checkpoint, in the order of upstream's `named_parameters`."""
    embeddings = "vision_model.embeddings"
    tensors = [
        OfficialTensor("text_projection", ("text_projection.weight",), transposed=True),
        OfficialTensor("logit_scale", ("logit_scale",)),
        OfficialTensor("visual.class_embedding", (f"{embeddings}.class_embedding",)),
        OfficialTensor("visual.positional_embedding", (f"{embeddings}.position_embedding.weight",)),
        OfficialTensor("visual.proj", ("visual_projection.weight",), transposed=True),
        OfficialTensor("visual.conv1.weight", (f"{embeddings}.patch_embedding.weight",)),
        *_pair("visual.ln_pre", "vision_model.pre_layrnorm"),
    ]
    for number in range(vision_layers):
        theirs, ours = f"visual.transformer.resblocks.{number}", f"vision_model.encoder.layers.{number}"
        tensors += [
            OfficialTensor(
                f"{theirs}.attn.in_proj_{kind}", tuple(f"{ours}.self_attn.{part}_proj.{kind}" for part in "qkv")
            )
            for kind in ("weight", "bias")
        ]
        tensors += [
            *_pair(f"{theirs}.attn.out_proj", f"{ours}.self_attn.out_proj"),
            *_pair(f"{theirs}.ln_1", f"{ours}.layer_norm1"),
            *_pair(f"{theirs}.mlp.c_fc", f"{ours}.mlp.fc1"),
            *_pair(f"{theirs}.mlp.c_proj", f"{ours}.mlp.fc2"),
            *_pair(f"{theirs}.ln_2", f"{ours}.layer_norm2"),
        ]
    tensors += _pair("visual.ln_post", "vision_model.post_layernorm")
    return (*tensors, *(OfficialTensor(f"bert.{name}", (f"text_model.{name}",)) for name in _bert_names(text_layers)))


def _pair(theirs: str, ours: str) -> list[OfficialTensor]:
    return [OfficialTensor(f"{theirs}.{kind}", (f"{ours}.{kind}",)) for kind in ("weight", "bias")]


def _bert_names(n_layers: int) -> list[str]:
    layers = (
        *("attention.self.query", "attention.self.key", "attention.self.value"),
        *("attention.output.dense", "attention.output.LayerNorm"),
        *("intermediate.dense", "output.dense", "output.LayerNorm"),
    )
    return [
        *(f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")),
        *(f"embeddings.LayerNorm.{kind}" for kind in ("weight", "bias")),
        *(
            f"encoder.layer.{number}.{name}.{kind}"
            for number in range(n_layers)
            for name in layers
            for kind in ("weight", "bias")
        ),
    ]


def vision_sizes(state: Mapping[str, Tensor], where: str) -> tuple[int, VisionSizes]:
    """Length of the features, and the sizes of the vision tower, that shapes tell; heads of the usual width.

    Args:
        state: tensors by official names without `module.`, which for the vision tower are OpenAI's.
        where: the file, as an error should name it.

    Raises:
        ConfigError: it is a ResNet, or a tensor is missing or none of a vision transformer.
    """
    if any(key.startswith(("visual.layer1.", "visual.attnpool.")) for key in state):
        raise ConfigError(
            f"{where}: is an RN50, which is not supported: transformers has no Chinese CLIP with a ResNet; "
            "use one of the ViT checkpoints"
        )
    width, _, patch, _ = _shape(state, "visual.conv1.weight", 4, where)
    n_patches = _shape(state, "visual.positional_embedding", 2, where)[0] - 1
    grid = round(max(n_patches, 0) ** 0.5)
    if grid * grid != n_patches:
        raise ConfigError(f"{where}: visual.positional_embedding has {n_patches} patches, which form no square")
    mlp = _shape(state, "visual.transformer.resblocks.0.mlp.c_fc.weight", 2, where)[0]
    head = _VISION_HEAD_OF_H if width == _WIDTH_OF_H else _VISION_HEAD
    return _shape(state, "visual.proj", 2, where)[1], VisionSizes(
        width,
        _n_layers(state, "visual.transformer.resblocks."),
        max(width // head, 1),
        patch,
        grid * patch,
        None if mlp == 4 * width else mlp,
    )


def _text_sizes(state: Mapping[str, Tensor], where: str) -> TextSizes:
    vocabulary, width = _shape(state, "bert.embeddings.word_embeddings.weight", 2, where)
    mlp = _shape(state, "bert.encoder.layer.0.intermediate.dense.weight", 2, where)[0]
    return TextSizes(
        width,
        _n_layers(state, "bert.encoder.layer."),
        max(width // _TEXT_HEAD, 1),
        _shape(state, "bert.embeddings.position_embeddings.weight", 2, where)[0],
        None if mlp == 4 * width else mlp,
        vocabulary,
        _shape(state, "bert.embeddings.token_type_embeddings.weight", 2, where)[0],
    )


def _shape(state: Mapping[str, Tensor], key: str, n_axes: int, where: str) -> tuple[int, ...]:
    if key not in state:
        raise ConfigError(f"{where}: has no tensor {key!r}, so it is no CLIP with a vision transformer and a BERT")
    found = tuple(state[key].shape)
    if len(found) != n_axes:
        raise ConfigError(f"{where}: {key} has the shape {found}, so it is no tensor of such a model")
    return found


def _n_layers(state: Mapping[str, Tensor], prefix: str) -> int:
    place = prefix.count(".")
    return len({key.split(".")[place] for key in state if key.startswith(prefix)})


def _without_heads(sizes: Sizes) -> Sizes:
    """Sizes without what the weights do not tell: heads; and without what pruning changes: widths of MLPs."""
    return sizes._replace(vision=sizes.vision._replace(heads=0, mlp=None), text=sizes.text._replace(heads=0, mlp=None))


def _whole(found: Mapping[str, Any], key: str) -> int:
    value = found.get(key, 0)
    return value if isinstance(value, int) else 0
