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


class _Program(torch.nn.Module):
    """A module whose state dict has the given names."""

    def __init__(self, state: State) -> None:
        super().__init__()
        for key, value in state.items():
            *parents, name = key.split(".")
            module: torch.nn.Module = self
            for parent in parents:
                if not hasattr(module, parent):
                    module.add_module(parent, torch.nn.Module())
                module = getattr(module, parent)
            module.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        return x


def write_torchscript(path: Path, state: State) -> Path:
    """An archive as OpenAI's release is: a program, with the numbers of its input beside the weights."""
    program = torch.jit.trace(_Program(state | {"vocab_size": torch.tensor(VOCABULARY)}), torch.zeros(1))
    torch.jit.save(program, path)
    return path
