"""Official Chinese-CLIP checkpoints (`.pt`): read, turned into models of transformers, and written.

Source: the layout of OFA-Sys/Chinese-CLIP's checkpoints: a dict of epoch, step, name, state_dict and optimizer. The
vision tower and both projections have OpenAI's names, see `clip_weights`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers.models.chinese_clip.configuration_chinese_clip import ChineseCLIPConfig
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.architecture import (
    ARCHITECTURES,
    Sizes,
    TextSizes,
    make_config,
)
from scripts.cnclip.model_files.folder import model_of
from scripts.shared.clip_weights import (
    SCALE,
    TEXT_PROJECTION,
    OpenAiTensor,
    n_blocks,
    renamed,
    tensor_shape,
    vision_layout,
    vision_sizes,
)
from scripts.shared.errors import ConfigError
from scripts.shared.torch_file import load_plain

PREFIX = "module."  # of every name, since upstream saves its model in the wrapper that trained it
_POOLER = "bert.pooler"  # a layer of BERT that upstream leaves out when it loads
_TEXT_HEAD = 64  # width of one head, which leaves no trace in the weights


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
    return make_config(sizes), renamed(held, layout, where)


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of transformers' ChineseCLIPModel as upstream has it: its names with `module.`, in its order.

    Raises:
        KeyError: a tensor is missing.
    """
    layout = official_layout(
        n_blocks(state, "vision_model.encoder.layers."), n_blocks(state, "text_model.encoder.layer.")
    )
    return {PREFIX + tensor.name: tensor.join([state[part] for part in tensor.parts]) for tensor in layout}


def official_layout(vision_layers: int, text_layers: int) -> tuple[OpenAiTensor, ...]:
    """All tensors of an official checkpoint, in the order of upstream's `named_parameters`."""
    bert = [OpenAiTensor(f"bert.{name}", (f"text_model.{name}",)) for name in _bert_names(text_layers)]
    return (TEXT_PROJECTION, SCALE, *vision_layout(vision_layers), *bert)


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


def _text_sizes(state: Mapping[str, Tensor], where: str) -> TextSizes:
    vocabulary, width = tensor_shape(state, "bert.embeddings.word_embeddings.weight", 2, where)
    mlp = tensor_shape(state, "bert.encoder.layer.0.intermediate.dense.weight", 2, where)[0]
    return TextSizes(
        width,
        n_blocks(state, "bert.encoder.layer."),
        max(width // _TEXT_HEAD, 1),
        tensor_shape(state, "bert.embeddings.position_embeddings.weight", 2, where)[0],
        None if mlp == 4 * width else mlp,
        vocabulary,
        tensor_shape(state, "bert.embeddings.token_type_embeddings.weight", 2, where)[0],
    )


def _without_heads(sizes: Sizes) -> Sizes:
    """Sizes without what the weights do not tell: heads; and without what pruning changes: widths of MLPs."""
    return sizes._replace(vision=sizes.vision._replace(heads=0, mlp=None), text=sizes.text._replace(heads=0, mlp=None))


def _whole(found: Mapping[str, Any], key: str) -> int:
    value = found.get(key, 0)
    return value if isinstance(value, int) else 0
