"""OpenAI's names of a CLIP's tensors and those of transformers, and the sizes that the tensors tell. Imports torch.

Source: the state dicts of OpenAI's release (Radford et al. 2021, arXiv:2103.00020): query, key and value of an
attention are one matrix there, and both projections are transposed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

# From the module itself: the package's own names look through all of its models first.
from transformers.models.clip.configuration_clip import CLIPTextConfig

from scripts.shared.errors import ConfigError

VISION_BLOCKS, TEXT_BLOCKS = "visual.transformer.resblocks.", "transformer.resblocks."
_HUGGING_FACE_TEXT_BLOCKS = "text_model.encoder.layers."
# Widths of one head, which leave no trace in the weights: of all towers but the vision tower of ViT-H/14.
_HEAD = 64
_VISION_HEAD_OF_H, _WIDTH_OF_H = 80, 1280
_ACTIVATIONS = ("quick_gelu", "gelu")
_COMPUTED = re.compile(r"(text|vision)_model\.embeddings\.position_ids")


@dataclass(frozen=True)
class OpenAiTensor:
    """One tensor of a state dict in OpenAI's layout, and where it lies in a model of transformers.

    Attributes:
        name: in the state dict.
        parts: names in transformers; several are one below the other in OpenAI's tensor.
        transposed: whether rows and columns are the other way round.
    """

    name: str
    parts: tuple[str, ...]
    transposed: bool = False

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """OpenAI's tensor of its parts; also for what has their shapes, such as gradients and AdamW's moments."""
        whole = torch.cat(list(parts)) if len(parts) > 1 else parts[0]
        return whole.T.contiguous() if self.transposed else whole

    def split(self, whole: Tensor) -> list[Tensor]:
        """The parts of OpenAI's tensor; the other way round of `join`."""
        pieces = list(whole.chunk(len(self.parts))) if len(self.parts) > 1 else [whole]
        return [piece.T.contiguous() if self.transposed else piece for piece in pieces]


class VisionSizes(NamedTuple):
    """A vision transformer. MLPs are four times as wide as it unless `mlp` says otherwise."""

    width: int
    layers: int
    heads: int
    patch: int
    image: int
    mlp: int | None = None


SCALE = OpenAiTensor("logit_scale", ("logit_scale",))
TEXT_PROJECTION = OpenAiTensor("text_projection", ("text_projection.weight",), transposed=True)


def vision_layout(n_layers: int) -> list[OpenAiTensor]:
    """All tensors of a vision transformer with its projection, in the order of OpenAI's `named_parameters`."""
    embeddings = "vision_model.embeddings"
    return [
        OpenAiTensor("visual.class_embedding", (f"{embeddings}.class_embedding",)),
        OpenAiTensor("visual.positional_embedding", (f"{embeddings}.position_embedding.weight",)),
        OpenAiTensor("visual.proj", ("visual_projection.weight",), transposed=True),
        OpenAiTensor("visual.conv1.weight", (f"{embeddings}.patch_embedding.weight",)),
        *_pair("visual.ln_pre", "vision_model.pre_layrnorm"),
        *_blocks(VISION_BLOCKS, "vision_model.encoder.layers.", n_layers),
        *_pair("visual.ln_post", "vision_model.post_layernorm"),
    ]


def text_layout(n_layers: int) -> list[OpenAiTensor]:
    """All tensors of a text tower with its projection."""
    embeddings = "text_model.embeddings"
    return [
        OpenAiTensor("positional_embedding", (f"{embeddings}.position_embedding.weight",)),
        TEXT_PROJECTION,
        *_blocks(TEXT_BLOCKS, _HUGGING_FACE_TEXT_BLOCKS, n_layers),
        OpenAiTensor("token_embedding.weight", (f"{embeddings}.token_embedding.weight",)),
        *_pair("ln_final", "text_model.final_layer_norm"),
    ]


def renamed(state: Mapping[str, Tensor], layout: Iterable[OpenAiTensor], where: str) -> dict[str, Tensor]:
    """The tensors of a layout by the names of transformers. No value changes; what is not in the layout is left out.

    Raises:
        ConfigError: tensors are missing; names them.
    """
    tensors = list(layout)
    missing = [tensor.name for tensor in tensors if tensor.name not in state]
    if missing:
        raise ConfigError(f"{where}: {missing_tensors(missing)}; the file is not whole, take it again")
    return {
        name: part
        for tensor in tensors
        for name, part in zip(tensor.parts, tensor.split(state[tensor.name]), strict=True)
    }


def missing_tensors(names: Sequence[str]) -> str:
    """What an error says of tensors that are not there: the first three by name."""
    named = ", ".join(map(repr, names[:3]))
    if len(names) == 1:
        return f"tensor {named} is missing"
    return f"{len(names)} tensors are missing: {named}{', ...' if len(names) > 3 else ''}"


def is_computed(key: str) -> bool:
    """Whether a tensor of transformers' layout is one of the numbers that older files hold and newer ones compute."""
    return bool(_COMPUTED.fullmatch(key))


def n_blocks(state: Iterable[str], prefix: str) -> int:
    """How many blocks the tensors of a tower have, `prefix` being what stands before their number."""
    place = prefix.count(".")
    return len({key.split(".")[place] for key in state if key.startswith(prefix)})


def vision_sizes(state: Mapping[str, Tensor], where: str) -> tuple[int, VisionSizes]:
    """Length of the features, and the sizes of the vision tower, that shapes tell; heads of the usual width.

    Args:
        state: tensors by OpenAI's names.
        where: the file, as an error should name it.

    Raises:
        ConfigError: it is a ResNet, or a tensor is missing or none of a vision transformer.
    """
    if any(key.startswith(("visual.layer1.", "visual.attnpool.")) for key in state):
        raise ConfigError(
            f"{where}: is an RN50, which is not supported: transformers has no CLIP with a ResNet; use one of the ViT "
            "checkpoints"
        )
    width, _, patch, _ = tensor_shape(state, "visual.conv1.weight", 4, where)
    n_patches = tensor_shape(state, "visual.positional_embedding", 2, where)[0] - 1
    grid = round(max(n_patches, 0) ** 0.5)
    if grid * grid != n_patches:
        raise ConfigError(f"{where}: visual.positional_embedding has {n_patches} patches, which form no square")
    mlp = tensor_shape(state, f"{VISION_BLOCKS}0.mlp.c_fc.weight", 2, where)[0]
    head = _VISION_HEAD_OF_H if width == _WIDTH_OF_H else _HEAD
    return tensor_shape(state, "visual.proj", 2, where)[1], VisionSizes(
        width,
        n_blocks(state, VISION_BLOCKS),
        max(width // head, 1),
        patch,
        grid * patch,
        None if mlp == 4 * width else mlp,
    )


def tensor_shape(state: Mapping[str, Tensor], key: str, n_axes: int, where: str) -> tuple[int, ...]:
    """The shape of a tensor that must be there.

    Raises:
        ConfigError: it is not, or has another number of axes.
    """
    if key not in state:
        raise ConfigError(f"{where}: has no tensor {key!r}, so it is no CLIP with a vision transformer")
    found = tuple(state[key].shape)
    if len(found) != n_axes:
        raise ConfigError(f"{where}: {key} has the shape {found}, so it is no tensor of such a model")
    return found


def text_config(state: Mapping[str, Tensor], said: Mapping[str, Any], where: str) -> CLIPTextConfig:
    """A text tower's sizes, read off its tensors; what leaves no trace there as `said`, else as OpenAI has it.

    Args:
        state: tensors by the names of transformers.
        said: what the text part of a `config.json` says; may be empty.
        where: the file, as an error should name it.

    Returns:
        The configuration of a tower that is read at the highest id of a text, OpenAI's end.

    Raises:
        ConfigError: a matrix is missing, or `said` is not of this tower.
    """

    def size(key: str, axis: int) -> int:
        if key not in state or state[key].ndim != 2:
            raise ConfigError(f"{where}: has no matrix {key!r}; these are not the weights of a CLIP's text tower")
        return state[key].shape[axis]

    width = size("text_model.embeddings.token_embedding.weight", 1)
    heads = said.get("num_attention_heads", width // _HEAD)
    activation = said.get("hidden_act", _ACTIVATIONS[0])
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise ConfigError(f"{where}: {heads!r} heads do not divide the tower's width {width}")
    if activation not in _ACTIVATIONS:
        raise ConfigError(
            f"{where}: config.json beside it says hidden_act {activation!r}; CLIPs have quick_gelu or gelu"
        )
    try:
        return CLIPTextConfig(
            vocab_size=size("text_model.embeddings.token_embedding.weight", 0),
            hidden_size=width,
            intermediate_size=size(f"{_HUGGING_FACE_TEXT_BLOCKS}0.mlp.fc1.weight", 0),
            projection_dim=size("text_projection.weight", 0),
            num_hidden_layers=n_blocks(state, _HUGGING_FACE_TEXT_BLOCKS),
            num_attention_heads=heads,
            max_position_embeddings=size("text_model.embeddings.position_embedding.weight", 0),
            hidden_act=activation,
            layer_norm_eps=said.get("layer_norm_eps", 1e-5),
            eos_token_id=2,  # to transformers: read at the highest id, which is the end of text in OpenAI's vocabulary
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: config.json beside it is not that of a CLIP: {error}") from error


def _blocks(theirs: str, ours: str, n_layers: int) -> list[OpenAiTensor]:
    """The tensors of a transformer's blocks."""
    tensors: list[OpenAiTensor] = []
    for number in range(n_layers):
        tensors += [
            OpenAiTensor(
                f"{theirs}{number}.attn.in_proj_{kind}",
                tuple(f"{ours}{number}.self_attn.{part}_proj.{kind}" for part in "qkv"),
            )
            for kind in ("weight", "bias")
        ]
        tensors += [
            *_pair(f"{theirs}{number}.attn.out_proj", f"{ours}{number}.self_attn.out_proj"),
            *_pair(f"{theirs}{number}.ln_1", f"{ours}{number}.layer_norm1"),
            *_pair(f"{theirs}{number}.mlp.c_fc", f"{ours}{number}.mlp.fc1"),
            *_pair(f"{theirs}{number}.mlp.c_proj", f"{ours}{number}.mlp.fc2"),
            *_pair(f"{theirs}{number}.ln_2", f"{ours}{number}.layer_norm2"),
        ]
    return tensors


def _pair(theirs: str, ours: str) -> list[OpenAiTensor]:
    return [OpenAiTensor(f"{theirs}.{kind}", (f"{ours}.{kind}",)) for kind in ("weight", "bias")]
