"""The text half of OpenAI's CLIP (Radford et al. 2021, arXiv:2103.00020), as MARDM reads captions with it.

The vector is CLIP's text feature before it is brought to unit length. Weights are rounded to float16 where OpenAI's
`convert_weights` does so; arithmetic on them is float32, which is alike on every machine and nearer to the exact one.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

# From the modules themselves: the package's own names look through all of its models first.
from transformers.models.clip.modeling_clip import CLIPTextModelWithProjection

from scripts.pose.nets.loading import load_state
from scripts.pose.text.encoder import Tokens
from scripts.pose.text.identity import clip_weights
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.clip_weights import TEXT_BLOCKS, is_computed, n_blocks, text_config, text_layout
from scripts.shared.errors import ConfigError
from scripts.shared.torch_archive import is_archive
from scripts.shared.torch_file import load_named

_OPENAI_TEXT = re.compile(r"(positional_embedding|text_projection|(token_embedding|transformer|ln_final)\..*)")
_HUGGING_FACE_TEXT = re.compile(r"(text_model\..*|text_projection\.weight)")
_ROUNDED = re.compile(r".*\.(self_attn|mlp)\..*|text_projection\.weight")


class ClipText:
    """CLIP's text tower with OpenAI's tokenizer.

    Args:
        path: see `load_tower`.

    Raises:
        ConfigError: see `load_tower`; or the tower is for another vocabulary than OpenAI's.
    """

    def __init__(self, path: Path) -> None:
        torch.set_num_threads(1)  # sums depend on it
        self._tokenizer = ClipTokenizer.embedded()
        self._tower = load_tower(path)
        self.dim: int = self._tower.text_projection.out_features
        self._context = self._tower.config.max_position_embeddings
        _, end = self._tokenizer.encode("", 2)
        if self._tower.config.vocab_size != end + 1:
            raise ConfigError(
                f"clip: {path}: is for a vocabulary of {self._tower.config.vocab_size:,} symbols; only OpenAI's, of "
                f"{end + 1:,}, can be read here"
            )

    def tokenize(self, caption: str) -> Tokens:
        """See `TextEncoder.tokenize`; at most the tower's context of ids, which is 77."""
        ids = self._tokenizer.encode(caption, self._context)
        cut = bool(self._tokenizer.encode(caption, self._context + 1)[-1])
        return Tokens(np.trim_zeros(ids, "b").tolist(), cut)

    def encode_tokens(self, tokens: Tokens) -> NDArray[np.float32]:
        """See `TextEncoder.encode_tokens`.

        The tower looks only back and the vector is read at the end of the text: padding could change nothing.
        """
        vector: NDArray[np.float32] = tower_features(self._tower, torch.tensor([tokens.ids]))[0]
        return vector


def tower_features(tower: CLIPTextModelWithProjection, ids: Tensor) -> NDArray[np.float32]:
    """Text features, (B, D) float32, of token ids (B, n) int64, read at the highest id of each row: the end of text."""
    with torch.inference_mode():
        embeds: Tensor = tower(input_ids=ids).text_embeds
        features: NDArray[np.float32] = embeds.numpy()
    return features


def load_tower(path: Path) -> CLIPTextModelWithProjection:
    """Load the text tower of a CLIP on the CPU, in float32 and evaluation mode; nothing in the files is run.

    Args:
        path: a folder in Hugging Face's layout (`config.json` and `model.safetensors`, of a whole CLIP or its text
            half), or one file in OpenAI's: safetensors, a saved state dict, or the TorchScript archive of the release.

    Raises:
        ConfigError: a file is missing or damaged, holds more than tensors, or lacks weights of the text tower.
    """
    weights, config = clip_weights(path)
    return make_tower(round_weights(_text_state(weights)), config, where=f"clip: {weights}")


def make_tower(state: Mapping[str, Tensor], config: Mapping[str, Any], *, where: str) -> CLIPTextModelWithProjection:
    """The net of a text tower with its weights, in evaluation mode.

    Args:
        state: by the names of transformers.
        config: what the text part of a `config.json` says; may be empty, see `load_tower`.
        where: the file, as an error should name it.

    Raises:
        ConfigError: the tensors, or the configuration, are not those of a text tower.
    """
    tower = CLIPTextModelWithProjection(text_config(state, config, where))
    load_state(tower, state, where=where)
    tower.train(mode=False)
    return tower


def from_openai(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The text tower of a state dict in OpenAI's layout, in that of transformers; a tensor may be missing.

    Raises:
        ValueError: a key is none of OpenAI's text tower.
    """
    tensors = {tensor.name: tensor for tensor in text_layout(n_blocks(state, TEXT_BLOCKS))}
    unknown = [key for key in state if key not in tensors]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no key of OpenAI's text tower")
    return {
        name: part
        for key, value in state.items()
        for name, part in zip(tensors[key].parts, tensors[key].split(value), strict=True)
    }


def round_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round weights of attention, MLP and projection to float16, as OpenAI's `convert_weights`; they stay float32.

    Args:
        state: in the layout of transformers; embeddings and norms are left as they are.
    """
    return {key: value.half().float() if _ROUNDED.fullmatch(key) else value for key, value in state.items()}


def _text_state(path: Path) -> dict[str, Tensor]:
    """The tensors of the text tower by the names of transformers."""
    try:
        tensors = load_named(path, mmap=True) if is_archive(path) else _read_safetensors(path)
        tensors = {key: value for key, value in tensors.items() if _is_text(key)}
    except OSError as error:
        raise ConfigError(f"clip: {path} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, RuntimeError) as error:
        raise ConfigError(f"clip: {path} is damaged; copy it again") from error
    if "positional_embedding" not in tensors:
        return {key: value for key, value in tensors.items() if not is_computed(key)}
    try:
        return from_openai(tensors)
    except ValueError as error:
        raise ConfigError(f"clip: {path}: {error}; these are not the weights of a CLIP") from error


def _is_text(key: str) -> bool:
    return bool(_OPENAI_TEXT.fullmatch(key) or _HUGGING_FACE_TEXT.fullmatch(key))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys() if _is_text(key)}  # noqa: SIM118 - it is no dict
