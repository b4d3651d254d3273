"""Small collections of speaker embeddings for the tests of the search."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def voices(
    lengths: Sequence[int], *, seed: int = 0, dim: int = 24, variance: float = 0.05, distance: float = 0.8
) -> NDArray[np.float32]:
    """Files of some speakers, one after the other.

    Args:
        lengths: files of each speaker, fewer speakers than `dim`.
        seed: of the noise.
        dim: of the embeddings.
        variance: of a file, before it is brought to length 1.
        distance: squared distance of any two centres.

    Returns:
        (n, dim) float32 unit rows.
    """
    rng = np.random.default_rng(seed)
    centres = np.sqrt(distance / 2) * np.eye(dim)[: len(lengths)]
    centres[:, -1] = np.sqrt(1 - distance / 2)
    rows = np.repeat(centres, lengths, axis=0) + rng.normal(0, np.sqrt(variance / dim), (sum(lengths), dim))
    return unit(rows)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows at length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
