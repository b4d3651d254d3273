"""CLIP text towers in every form that people have them in."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from scripts.pose.text.clip import from_openai
from tests.pose_models import GOLDEN

TINY = GOLDEN / "clip_text_tiny.safetensors"  # OpenAI's layout, a vocabulary of 300
WIDTH, VOCABULARY = 64, 49_408
State = dict[str, Tensor]


def readable_tower() -> State:
    """The golden tower in OpenAI's layout, but with OpenAI's vocabulary, so that it can read captions."""
    embedding = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(5)) / math.sqrt(WIDTH)
    return load_file(TINY) | {"token_embedding.weight": embedding}


def whole(state: State) -> State:
    """With some of what a whole CLIP has beside its text half."""
    return state | {"visual.proj": torch.zeros(3, 4), "logit_scale": torch.tensor(4.6)}


def write_folder(folder: Path, state: State, *, config: dict[str, Any] | None = None) -> Path:
    """A folder in Hugging Face's layout, of a whole CLIP unless `config` says otherwise."""
    folder.mkdir()
    converted = {key: value.contiguous() for key, value in from_openai(state).items()}
    save_file(converted | {"vision_model.post_layernorm.weight": torch.ones(3)}, folder / "model.safetensors")
    text = {"hidden_act": "quick_gelu", "num_attention_heads": 1, "layer_norm_eps": 1e-5, "eos_token_id": 2}
    config = {"model_type": "clip", "text_config": text} if config is None else config
    (folder / "config.json").write_text(json.dumps(config))
    return folder
