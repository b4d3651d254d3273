"""Colours of speakers: neighbours differ, for colour-blind readers too, however many speakers there are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

# Okabe and Ito's colours without yellow, which is too pale for dots on white; ordered so that neighbours differ most.
COLORS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#404040", "#56b4e9")
MARKERS = ("o", "^", "s")


def color_of(speaker: int) -> str:
    """Colour of the speaker of that number, from 0, in the order of the collection."""
    return COLORS[speaker % len(COLORS)]


def marker_of(speaker: int) -> str:
    """Marker of the speaker of that number, from 0; with it 21 speakers differ."""
    return MARKERS[speaker // len(COLORS) % len(MARKERS)]


def ink_on(color: str) -> str:
    """Black or white, whichever is read more easily on that colour."""
    red, green, blue = to_rgb(color)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.4 else "white"


def speakers_of(rows: NDArray[np.int64], indices: Sequence[int]) -> NDArray[np.int64]:
    """Number of the speaker, from 0, whose range holds each row.

    Args:
        rows: (p,) rows of the collection.
        indices: boundaries with both ends, `[0, ..., n]`.

    Returns:
        (p,) int64.
    """
    return np.searchsorted(np.asarray(indices[1:-1], np.int64), rows, side="right").astype(np.int64)


def strip(indices: Sequence[int], start: int, end: int, n_columns: int) -> NDArray[np.float64]:
    """A line of pixels coloured by speaker, each as the row under its middle: its cost knows no number of speakers.

    Args:
        indices: boundaries with both ends.
        start: first row shown.
        end: one past the last.
        n_columns: pixels.

    Returns:
        (1, n_columns, 3) float64 RGB in 0 .. 1.
    """
    middles = start + (np.arange(n_columns) + 0.5) * (end - start) / n_columns
    speakers = speakers_of(middles.astype(np.int64), indices)
    return np.array([to_rgb(color) for color in COLORS])[speakers % len(COLORS)][np.newaxis]
