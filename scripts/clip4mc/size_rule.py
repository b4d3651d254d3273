"""The size rule: one number a frame says how large the target entity is."""

from collections.abc import Sequence

import numpy as np


def fit_sizes(sizes: Sequence[float] | None, num_frames: int, default_size: float) -> list[float]:
    """Fit the sizes of a pair to the number of frames.

    Args:
        sizes: each in [0, 1]; None or empty where the pair states none.
        num_frames: sizes wanted.
        default_size: the size where the pair states none.

    Returns:
        num_frames floats: the sizes evenly thinned, or their last one repeated.
    """
    if not sizes:
        return [float(default_size)] * num_frames
    if len(sizes) >= num_frames:
        kept = np.linspace(0, len(sizes) - 1, num_frames, dtype=int)
        return [float(sizes[position]) for position in kept]
    return [float(size) for size in sizes] + [float(sizes[-1])] * (num_frames - len(sizes))
