"""`method: cosine`: a walk that takes the place where both sides are most like themselves."""

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.found import Found
from scripts.speaker.boundaries.walk import Scores, Window, walk


def find_boundaries(
    embeddings: NDArray[np.float32],
    *,
    segment_size: int = 1000,
    boundary_window: int = 10,
    distance_ratio: float = 1.5,
    debug: bool = False,
) -> Found:
    """Walk through a collection by the cosine of its files to the centres of the two segments; see `walk`.

    Args:
        embeddings: (n, D) rows of any length in the order of the collection, possibly a memory map.
        segment_size: files that a speaker is expected to have.
        boundary_window: places looked at to either side of the expected one.
        distance_ratio: least squared distance of two speakers, in within-speaker variances, to rely on a boundary.
        debug: keep the scores of all places.

    Raises:
        ConfigError: the window is as long as a segment.
        JobError: a row is zero or not finite.
    """
    return walk(
        embeddings,
        score_window,
        method="cosine",
        segment_size=segment_size,
        boundary_window=boundary_window,
        distance_ratio=distance_ratio,
        debug=debug,
    )


def score_window(window: Window) -> Scores:
    """Mean cosine of the files left of each place to the left centre plus that of those right of it to the right one.

    The centres are means of the files that lie on one side of all places. Only the two segments count: over the whole
    prefix and suffix, as in the field's script, distant speakers would vote.
    """
    to_left = window.units @ _centre(window.left)
    to_right = window.units @ _centre(window.right)
    before = np.cumsum(to_left, dtype=np.float64)
    after = np.cumsum(to_right[::-1], dtype=np.float64)[::-1]
    places = window.places
    return Scores(before[places - 1] / places + after[places] / (len(window.units) - places))


def _centre(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(D,) direction of the mean; of opposite rows, which have none, zero: all are equally unlike it."""
    mean = rows.mean(axis=0)
    length = np.linalg.norm(mean)
    return np.asarray(mean / length if length > 0 else mean, np.float32)
