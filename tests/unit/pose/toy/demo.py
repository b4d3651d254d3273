"""The demo's motions, a recipe of a few steps, and a text encoder that costs nothing."""

import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.pose.toy.recipe import Recipe

DEMO = Path("tests/data/demo/pose")
MOTIONS, CAPTIONS = DEMO / "real_motion.npz", DEMO / "motions.csv"
FEW_STEPS = Recipe(ae_width=16, latent=4, ae_steps=120, width=16, mlp_width=16, mlp_depth=1, steps=120)


def encode(caption: str) -> NDArray[np.float32]:
    """A unit vector (8,) of its own for each caption."""
    vector = np.random.default_rng(zlib.crc32(caption.encode())).normal(size=8)
    return (vector / np.linalg.norm(vector)).astype(np.float32)
