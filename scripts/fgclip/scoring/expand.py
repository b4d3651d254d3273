"""From the scores of every `stride`-th frame to one score for each frame of the video."""

import numpy as np
from numpy.typing import NDArray

EXPANSIONS = ("linear", "repeat")


def expand(scores: NDArray[np.float32], frames: NDArray[np.int64], n_frames: int, how: str) -> NDArray[np.float32]:
    """Scores of all frames.

    Args:
        scores: (n,) of the scored frames.
        frames: (n,) their numbers, ascending from 0.
        n_frames: of the video.
        how: "linear" between the two scored frames around, behind the last one its score; or "repeat", each frame has
            the score of the last scored one up to it, as most published programs do.

    Returns:
        (n_frames,) float32.

    Raises:
        ValueError: an unknown way.
    """
    every = np.arange(n_frames)
    if how == "linear":
        return np.interp(every, frames, scores).astype(np.float32)
    if how == "repeat":
        expanded: NDArray[np.float32] = scores[np.searchsorted(frames, every, side="right") - 1]
        return expanded
    raise ValueError(f"no expansion {how!r}; choose one of {', '.join(EXPANSIONS)}")
