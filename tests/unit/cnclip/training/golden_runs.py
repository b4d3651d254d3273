"""What the tests of the training share: upstream's figures, and options."""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.official import PREFIX, to_official
from scripts.cnclip.training.loading import Pairs
from scripts.cnclip.training.options import RunOptions, run_options
from tests.cnclip_models import GOLDEN

OPTIONS: dict[str, Any] = {
    "architecture": "tiny",
    "batch_size": 6,
    "processes": 1,
    "chunk_size": 0,
    "epochs": 1,
    "max_steps": 0,
    "lr": 1e-3,
    "weight_decay": 0.1,
    "warmup": 2,
    "beta1": 0.9,
    "beta2": 0.98,
    "eps": 1e-6,
    "precision": "fp32",
    "augment": False,
    "context_length": 52,
    "text_dropout": 0.0,
    "freeze_vision": False,
    "gradient_checkpointing": False,
    "valid_step_interval": 0,
    "save_step_interval": 0,
    "save_epoch_interval": 1,
    "keep": "last",
    "loader_workers": 0,
    "shuffle_captions": False,
    "seed": 1,
}
NO_TEACHER = {
    "name": "none",
    "temperature": 4.0,
    "alpha": 1.0,
    "beta": 0.5,
    "weight": 0.5,
    "online": False,
}


def options(*, kd: dict[str, Any] | None = None, **changed: Any) -> RunOptions:
    """Options of a run of the tests, but for what is changed."""
    return run_options("test", {**OPTIONS, **changed, "kd": {**NO_TEACHER, **(kd or {})}})


@cache
def golden(name: str) -> dict[str, Any]:
    """The arrays of a golden file."""
    with np.load(GOLDEN / f"{name}.npz") as found:
        return dict(found)


def golden_pairs(rows: Any = slice(None)) -> Pairs:
    """The six pairs of the golden gradients, or some of them."""
    found = golden("accum_golden")
    pixels, ids = (torch.from_numpy(found[name][rows]) for name in ("pixel_values", "input_ids"))
    numbers = torch.arange(6)[rows]
    return Pairs(pixels, ids, numbers, numbers, ())


def gradients_of(model: ChineseCLIPModel) -> dict[str, Tensor]:
    """Gradients by official names, without `module.`."""
    held = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {name.removeprefix(PREFIX): tensor for name, tensor in to_official(held).items()}  # type: ignore[arg-type]
