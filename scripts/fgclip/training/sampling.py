"""Which frames of an item are taken: one of each of T equal parts of its span."""

import numpy as np
from numpy.typing import NDArray


def frame_bins(span: tuple[int, int], n: int) -> NDArray[np.int64]:
    """The parts of a span, each a whole number of frames, that together are all of it.

    Args:
        span: frames [start, end), at least one.
        n: parts wanted.

    Returns:
        (m, 2) int64 [start, end) of each, m the smaller of n and the frames: a short span gives all of its frames.
    """
    start, end = span
    m = min(n, end - start)
    edges = start + np.arange(m + 1, dtype=np.int64) * (end - start) // m
    return np.stack([edges[:-1], edges[1:]], axis=1)


def frames_of(bins: NDArray[np.int64], random: np.random.Generator | None) -> NDArray[np.int64]:
    """(m,) one frame of each part, ascending: drawn, or without a generator the middle one."""
    if random is None:
        return (bins[:, 0] + bins[:, 1] - 1) // 2
    return random.integers(bins[:, 0], bins[:, 1])
