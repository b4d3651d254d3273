"""MARDM's golden data: arrays, weights, small nets with these weights, and how far two tensors are apart."""

import json
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from scripts.pose.nets.diff_mlp import DiffMlp
from scripts.pose.nets.loading import load_state
from scripts.pose.nets.mardm import Mardm, MardmSizes
from tests.pose_models import GOLDEN

torch.set_num_threads(1)  # as workers do: sums depend on it

SMALL = MardmSizes(latent=32, width=48, feed_forward=96, layers=1, heads=4, text=40, mlp_width=64, mlp_depth=2)


def golden(name: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def weights(name: str) -> dict[str, Tensor]:
    return load_file(GOLDEN / f"{name}.safetensors")


def layout(name: str) -> dict[str, Any]:
    """The keys and shapes of a full-size model."""
    return json.loads((GOLDEN / f"key_shapes_{name}.json").read_text())


def small_mardm() -> Mardm:
    model = Mardm(SMALL)
    load_state(model, weights("mardm_sit_small"), where="mardm_sit_small")
    return model


def small_mlp(kind: str) -> DiffMlp:
    net = DiffMlp(16, 24, width=64, depth=3)
    load_state(torch.nn.ModuleDict({"net": net}), weights(f"{kind}_mlp_small"), where=kind)
    return net


def distance(found: Tensor, wanted: Tensor) -> float:
    """max |found - wanted| / max |wanted|."""
    assert found.shape == wanted.shape
    return float((found - wanted).abs().max() / wanted.abs().max())
