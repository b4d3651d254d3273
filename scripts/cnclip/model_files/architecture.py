"""The sizes of Chinese CLIP models by name, and models of these sizes with random weights.

Source: Chinese CLIP (Yang et al. 2022, arXiv:2211.01335), table of model sizes; the tiny ones are this project's own.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import logging as transformers_logging
from transformers.models.chinese_clip.configuration_chinese_clip import ChineseCLIPConfig
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.shared.clip_weights import VisionSizes
from scripts.shared.errors import ConfigError

transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # a warning for each class of models that it has

VOCABULARY = 21_128  # entries of the Chinese BERT vocabulary
LOGIT_SCALE = math.log(1 / 0.07)  # that CLIPs begin with


class TextSizes(NamedTuple):
    """A BERT. MLPs are four times as wide as it unless `mlp` says otherwise."""

    width: int
    layers: int
    heads: int
    positions: int = 512
    mlp: int | None = None
    vocabulary: int = VOCABULARY
    types: int = 2


class Sizes(NamedTuple):
    """A whole model; `dim` is the length of its feature vectors."""

    dim: int
    vision: VisionSizes
    text: TextSizes


_BASE, _LARGE = TextSizes(768, 12, 12), TextSizes(1024, 24, 16)
ARCHITECTURES: Mapping[str, Sizes] = {
    "tiny": Sizes(64, VisionSizes(64, 2, 2, 8, 32), TextSizes(64, 1, 2, positions=64)),
    "tiny-teacher": Sizes(128, VisionSizes(96, 3, 3, 8, 32), TextSizes(96, 2, 3, positions=64)),
    "ViT-B-32_RoBERTa-wwm-ext-base-chinese": Sizes(512, VisionSizes(768, 12, 12, 32, 224), _BASE),
    "ViT-B-16_RoBERTa-wwm-ext-base-chinese": Sizes(512, VisionSizes(768, 12, 12, 16, 224), _BASE),
    "ViT-L-14_RoBERTa-wwm-ext-base-chinese": Sizes(768, VisionSizes(1024, 24, 16, 14, 224), _BASE),
    "ViT-L-14-336_RoBERTa-wwm-ext-base-chinese": Sizes(768, VisionSizes(1024, 24, 16, 14, 336), _BASE),
    "ViT-H-14_RoBERTa-wwm-ext-large-chinese": Sizes(1024, VisionSizes(1280, 32, 16, 14, 224), _LARGE),
}


def find_sizes(name: str) -> Sizes:
    """The sizes of an architecture.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in ARCHITECTURES:
        reason = "it has a ResNet, which is not supported here; " if "RN50" in name else ""
        raise ConfigError(f"architecture: no {name!r}; {reason}there are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def make_config(sizes: Sizes, *, text_dropout: float = 0.1) -> ChineseCLIPConfig:
    """The configuration of a model of these sizes, as transformers has it; dropout of the text as upstream's."""
    vision, text = sizes.vision, sizes.text
    return ChineseCLIPConfig(
        text_config={
            "vocab_size": text.vocabulary,
            "hidden_size": text.width,
            "intermediate_size": text.mlp or 4 * text.width,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "max_position_embeddings": text.positions,
            "type_vocab_size": text.types,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": text_dropout,
            "attention_probs_dropout_prob": text_dropout,
        },
        vision_config={
            "hidden_size": vision.width,
            "intermediate_size": vision.mlp or 4 * vision.width,
            "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.heads,
            "image_size": vision.image,
            "patch_size": vision.patch,
            "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-5,
            "projection_dim": sizes.dim,
        },
        projection_dim=sizes.dim,
        logit_scale_init_value=LOGIT_SCALE,
    )


def config_sizes(config: ChineseCLIPConfig) -> Sizes:
    """The sizes that a configuration names."""
    vision: Any = config.vision_config  # transformers' types allow dicts, which it makes into objects
    text: Any = config.text_config
    return Sizes(
        config.projection_dim or 0,
        VisionSizes(
            vision.hidden_size,
            vision.num_hidden_layers,
            vision.num_attention_heads,
            vision.patch_size,
            vision.image_size,
            None if vision.intermediate_size == 4 * vision.hidden_size else vision.intermediate_size,
        ),
        TextSizes(
            text.hidden_size,
            text.num_hidden_layers,
            text.num_attention_heads,
            text.max_position_embeddings,
            None if text.intermediate_size == 4 * text.hidden_size else text.intermediate_size,
            text.vocab_size,
            text.type_vocab_size,
        ),
    )


def architecture_name(config: ChineseCLIPConfig) -> str | None:
    """The name of the architecture that a configuration describes; None for one that has no name, as a pruned one."""
    sizes = config_sizes(config)
    return next((name for name, known in ARCHITECTURES.items() if known == sizes), None)


def empty_model(config: ChineseCLIPConfig) -> ChineseCLIPModel:
    """A model on the meta device: shapes without numbers, which cost no memory."""
    with torch.device("meta"):
        return ChineseCLIPModel(config)


def random_model(name: str, seed: int, *, text_dropout: float = 0.1) -> ChineseCLIPModel:
    """A model with random weights, on the CPU in float32 and evaluation mode.

    Args:
        name: of the architecture.
        seed: equal seeds give equal weights; the random state of the process stays as it was.
        text_dropout: of the text tower in training.

    Raises:
        ConfigError: there is no such architecture.
    """
    return random_of(make_config(find_sizes(name), text_dropout=text_dropout), seed)


def random_of(config: ChineseCLIPConfig, seed: int) -> ChineseCLIPModel:
    """As `random_model`, of any sizes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ChineseCLIPModel(config)
    nn.Module.eval(model)
    return model
