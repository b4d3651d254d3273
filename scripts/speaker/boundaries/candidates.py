"""Places where a speaker may change: where the files before and after differ most."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.unit_rows import chunks, unit_rows

WINDOWS = (8, 32)


def candidates(embeddings: NDArray[np.float32], *, threshold: float) -> NDArray[np.int64]:
    """Find the local maxima of the difference between the files before a place and those after it.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
        threshold: gain of a boundary that a candidate exceeds, in squared distance.

    Returns:
        (k,) int64 ascending places in 1 .. n - 1.
    """
    n = len(embeddings)
    profiles = np.zeros((len(WINDOWS), n + 1), np.float32)
    for chunk, gains in window_gains(embeddings):
        profiles[:, chunk] = gains
    found = [
        np.flatnonzero(is_peak(profile, window // 2) & (profile > threshold))
        for window, profile in zip(WINDOWS, profiles, strict=True)
    ]
    return np.unique(np.concatenate(found))


def is_peak(profile: NDArray[np.float32], reach: int) -> NDArray[np.bool_]:
    """Tell where a profile is as large as anywhere within reach to either side."""
    padded = np.pad(profile, reach, constant_values=-np.inf)
    highest = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)
    return np.asarray(profile == highest)


def window_gains(embeddings: NDArray[np.float32]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Gain of a boundary at each place, as far as the h files before it and the h after it know, for each window h.

    Yields:
        places: a slice of 0 .. n - 1; (windows, places) float64 gains.
    """
    n, dim = embeddings.shape
    reach = max(WINDOWS)
    for chunk in chunks(n):
        first, last = max(0, chunk.start - reach), min(n, chunk.stop + reach)
        sums = np.zeros((last - first + 1, dim))
        np.cumsum(unit_rows(embeddings, slice(first, last)), axis=0, dtype=np.float64, out=sums[1:])
        places = np.arange(max(1, chunk.start), chunk.stop)
        gains = np.zeros((len(WINDOWS), chunk.stop - chunk.start))
        for row, window in enumerate(WINDOWS):
            before = np.minimum(window, places)
            after = np.minimum(window, n - places)
            middle = sums[places - first]
            left = (middle - sums[places - before - first]) / before[:, None]
            right = (sums[places + after - first] - middle) / after[:, None]
            left -= right
            gains[row, places - chunk.start] = np.einsum("ij,ij->i", left, left) * (before * after / (before + after))
        yield chunk, gains
