"""The CLIP that a training begins with: a folder in Hugging Face's layout, OpenAI's file, or random weights by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import logging as transformers_logging
from transformers.models.clip.configuration_clip import CLIPConfig
from transformers.models.clip.modeling_clip import CLIPModel

from scripts.fgclip.model.identity import CONFIG, RANDOM_B32, TINY, clip_files, read_json
from scripts.fgclip.model.tokens import Tokenizer, open_tokenizer, openai_tokens
from scripts.shared.clip_weights import (
    SCALE,
    TEXT_BLOCKS,
    is_computed,
    missing_tensors,
    n_blocks,
    renamed,
    text_config,
    text_layout,
    vision_layout,
    vision_sizes,
)
from scripts.shared.errors import ConfigError
from scripts.shared.torch_file import load_named
from scripts.shared.weight_files import give_weights, read_weights

transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # a warning for each class of models that it has

TINY_CONTEXT = 32  # ids of a text of the tiny network
_OPENAI_VOCABULARY = 49_408
_PREFIX = "module."  # of every name, in files that were saved in the wrapper that trained them
_BLOCKS = {"vision": "vision_model.encoder.layers.", "text": "text_model.encoder.layers."}
# Sizes of networks with random weights, as `CLIPConfig` has them.
_SIZES: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    TINY: {
        "vision_config": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": 48,
            "patch_size": 8,
        },
        "text_config": {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": TINY_CONTEXT,
        },
    },
    RANDOM_B32: {"vision_config": {}, "text_config": {}},  # those are the defaults of transformers
}
_DIMENSIONS = {TINY: 64, RANDOM_B32: 512}


def load_clip(path: Path) -> tuple[CLIPModel, Tokenizer]:
    """Load a CLIP on the CPU, in float32 and evaluation mode, with its tokenizer; nothing in the files is run.

    Args:
        path: a folder in Hugging Face's layout (`config.json`, `model.safetensors` or `pytorch_model.bin`, and a
            tokenizer unless it is OpenAI's), or OpenAI's `.pt` of a ViT.

    Raises:
        ConfigError: a file is missing or damaged, holds more than tensors, or the weights are not all of the network
            that `config.json` describes; names file and tensors.
    """
    weights, *others = clip_files(path)
    return _hugging_face(path, weights, own_tokenizer=len(others) > 1) if others else _openai(weights)


def random_clip(name: str, tokenizer: Tokenizer, *, seed: int) -> CLIPModel:
    """A CLIP of random weights, on the CPU in float32 and evaluation mode.

    Args:
        name: see `identity.RANDOM`.
        tokenizer: that it is for.
        seed: equal seeds give equal weights; the random state of the process stays as it was.
    """
    sizes = _SIZES[name]
    dim = _DIMENSIONS[name]
    text = {"vocab_size": tokenizer.n_entries, "eos_token_id": tokenizer.end_id, "projection_dim": dim}
    config = CLIPConfig(
        vision_config={**sizes["vision_config"], "projection_dim": dim},
        text_config={**sizes["text_config"], **text},
        projection_dim=dim,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
    nn.Module.eval(model)
    return model


def clip_of(config: CLIPConfig, state: Mapping[str, Tensor], *, where: str) -> CLIPModel:
    """A CLIP with these weights, on the CPU in float32 and evaluation mode. It shares their memory where it can.

    Args:
        config: its sizes.
        state: tensors by the names of transformers; position numbers of older files are left out.
        where: the file, as an error should name it.

    Raises:
        ConfigError: tensors are missing, unexpected, of another shape or not finite; names them.
    """
    there = {key: value for key, value in state.items() if not is_computed(key)}
    _check_blocks(config, there, where)
    with torch.device("meta"):
        model = CLIPModel(config)
    missing = [key for key in model.state_dict() if key not in there]
    if missing:
        raise ConfigError(f"{where}: {missing_tensors(missing)}; the file is not whole, copy it again")
    give_weights(model, there, where=where)
    # Numbers that no file holds because they are computed; the meta device has left them out.
    for embeddings in (model.text_model.embeddings, model.vision_model.embeddings):
        n_positions = embeddings.position_embedding.num_embeddings
        embeddings.register_buffer("position_ids", torch.arange(n_positions)[None], persistent=False)
    nn.Module.eval(model)
    return model


def read_config(folder: Path) -> CLIPConfig:
    """The sizes of the CLIP in a folder of Hugging Face's layout.

    Raises:
        ConfigError: `config.json` cannot be read, or is not that of a CLIP.
    """
    path = folder / CONFIG
    said = read_json(path)
    if said.get("model_type") != "clip":
        raise ConfigError(
            f"clip: {path}: describes a model of the type {said.get('model_type')!r}; only 'clip' can be trained here"
        )
    try:
        config = CLIPConfig.from_dict(said)
        vision: Any = config.vision_config
        if type(vision.image_size) is not int or type(vision.patch_size) is not int:
            raise TypeError("pictures and patches must be squares, so that their sizes are whole numbers")
    except Exception as error:
        # transformers' validators raise classes of their own, and which ones changes with the version.
        raise ConfigError(f"clip: {path}: is not the configuration of a CLIP ({error}); copy it again") from error
    return config


def _hugging_face(folder: Path, weights: Path, *, own_tokenizer: bool) -> tuple[CLIPModel, Tokenizer]:
    config = read_config(folder)
    text: Any = config.text_config
    if not own_tokenizer and text.vocab_size != _OPENAI_VOCABULARY:
        raise ConfigError(
            f"clip: {folder} has no tokenizer, and its network is for a vocabulary of {text.vocab_size:,} entries, "
            f"which is not OpenAI's of {_OPENAI_VOCABULARY:,}; copy vocab.json and merges.txt, or tokenizer.json, there"
        )
    positions = text.max_position_embeddings
    tokenizer = open_tokenizer(folder, positions) if own_tokenizer else openai_tokens(positions)
    check_vocabulary(tokenizer, config, where=f"clip: {folder}")
    # Some configurations say 2, at which transformers reads a text at its highest id instead of at its end.
    text.eos_token_id = tokenizer.end_id
    return clip_of(config, read_weights(weights), where=f"clip: {weights}"), tokenizer


def check_vocabulary(tokenizer: Tokenizer, config: CLIPConfig, *, where: str) -> None:
    """Compare a vocabulary with the network that shall read it.

    Raises:
        ConfigError: it has more entries than the network has embeddings.
    """
    text: Any = config.text_config
    if tokenizer.n_entries > text.vocab_size:
        raise ConfigError(
            f"{where}: the tokenizer has {tokenizer.n_entries:,} entries, but the network has embeddings for "
            f"{text.vocab_size:,}; put the tokenizer of this network there"
        )


def _openai(path: Path) -> tuple[CLIPModel, Tokenizer]:
    where = f"clip: {path}"
    try:
        state = {key.removeprefix(_PREFIX): value for key, value in load_named(path).items()}
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror or error}") from error
    dim, sizes = vision_sizes(state, where)
    text_state = renamed(state, text_layout(n_blocks(state, TEXT_BLOCKS)), where)
    seen_state = renamed(state, [*vision_layout(sizes.layers), SCALE], where)
    text = text_config(text_state, {}, where)
    tokenizer = openai_tokens(text.max_position_embeddings)
    text.eos_token_id = tokenizer.end_id
    config = CLIPConfig(
        text_config=text.to_dict(),
        vision_config={
            "hidden_size": sizes.width,
            "intermediate_size": sizes.mlp or 4 * sizes.width,
            "num_hidden_layers": sizes.layers,
            "num_attention_heads": sizes.heads,
            "image_size": sizes.image,
            "patch_size": sizes.patch,
            "projection_dim": dim,
        },
        projection_dim=dim,
    )
    if text.vocab_size != tokenizer.n_entries:
        raise ConfigError(
            f"{where}: is for a vocabulary of {text.vocab_size:,} entries; a single file is read with OpenAI's of "
            f"{tokenizer.n_entries:,}: name a folder with the tokenizer of this network"
        )
    return clip_of(config, text_state | seen_state, where=where), tokenizer


def _check_blocks(config: CLIPConfig, state: Mapping[str, Tensor], where: str) -> None:
    """Refuse a network of another depth before it is built, which for a damaged number of blocks would never end."""
    for tower, prefix in _BLOCKS.items():
        said: int = getattr(config, f"{tower}_config").num_hidden_layers
        if (found := n_blocks(state, prefix)) != said:
            raise ConfigError(
                f"{where}: has {found} blocks of the {tower} tower, but {CONFIG} describes a network of {said}; the "
                "file is not whole, or of another size than the configuration beside it: copy both again"
            )
