"""Weights and features that are a function of a seed, so that golden values need no file of weights."""

import zlib
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray


def formula_weights(shapes: Mapping[str, Iterable[int]]) -> dict[str, torch.Tensor]:
    """A tensor a key of a checkpoint, drawn by a generator that the key seeds, at a scale that keeps signals alive."""
    return {key: torch.from_numpy(_draw(key, tuple(shape))) for key, shape in shapes.items()}


def formula_features(n_frames: int, seed: int = 0) -> NDArray[np.float32]:
    """Features (1, T, 80) about as large as log-mel ones."""
    return np.random.default_rng(seed).normal(scale=3, size=(1, n_frames, 80)).astype(np.float32)


def _draw(key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    # Names under which a module stands twice get the same weights.
    rng = np.random.default_rng(zlib.crc32(key.replace("xvector.stats.", "pool.").encode()))
    if key.endswith("running_var"):
        values = rng.uniform(0.5, 2, shape)
    elif len(shape) > 1:
        values = rng.normal(scale=(2 / np.prod(shape[1:])) ** 0.5, size=shape)
    elif key.endswith("weight"):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.normal(scale=0.2, size=shape)
    return np.asarray(values, np.float32)
