"""Tiny Chinese CLIP models for tests."""

import json
from functools import cache
from pathlib import Path

import torch
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.folder import model_of
from scripts.cnclip.model_files.official import Official, read_checkpoint, to_transformers

GOLDEN = Path("tests/data/golden/cnclip")
CHECKPOINT = GOLDEN / "tiny_vit.pt"
# Which leave no trace in the weights; upstream has them in its configuration of the model.
HEADS = {"vision_heads": 3, "heads_of_text": 2}


@cache
def official() -> Official:
    """The golden checkpoint of upstream."""
    return read_checkpoint(CHECKPOINT)


def golden_model() -> ChineseCLIPModel:
    """The model that upstream's golden figures were made with, in evaluation mode."""
    config, state = to_transformers(official().state, **HEADS)
    return model_of(config, {key: value.clone() for key, value in state.items()}, where=str(CHECKPOINT))


def save_checkpoint(path: Path, state: dict[str, torch.Tensor]) -> Path:
    """A file in the official layout."""
    torch.save({"epoch": 1, "step": 2, "name": "made", "state_dict": state, "optimizer": {}}, path)
    return path


def golden_sizes() -> dict[str, dict[str, int]]:
    """The sizes of the golden model by upstream's names."""
    found: dict[str, dict[str, int]] = json.loads((GOLDEN / "tiny_vit.json").read_text(encoding="utf-8"))
    return found
