"""Small collections for the tests of the pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.found import Boundary
from scripts.speaker.figures.segmentation import Segmentation


def voices(lengths: Sequence[int], *, dim: int = 16, spread: float = 0.1, seed: int = 0) -> NDArray[np.float32]:
    """Files of speakers that stand together, of various loudness."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((len(lengths), dim))
    rows = np.repeat(centres, lengths, axis=0) + spread * rng.standard_normal((sum(lengths), dim))
    return (rows * rng.uniform(0.5, 2, (len(rows), 1))).astype(np.float32)


def boundary(index: int, *, confidence: float = 0.9, margin: float = 3.0, reliable: bool = True) -> Boundary:
    return Boundary(index, None, margin, confidence, distance_ratio=3.0, reliable=reliable)


def divided(
    n: int, *boundaries: Boundary | int, reference: tuple[int, ...] | None = None, segment_size: int | None = None
) -> Segmentation:
    """A collection of n files with these boundaries; a number is a certain one."""
    inner = tuple(boundary(at) if isinstance(at, int) else at for at in boundaries)
    names = tuple(f"speaker_{number + 1:03}" for number in range(len(inner) + 1))
    parameters = {} if segment_size is None else {"segment_size": segment_size}
    return Segmentation(n, inner, names, reference, parameters=parameters)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True))
