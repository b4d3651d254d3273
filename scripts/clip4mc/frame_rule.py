"""The frame rule: which frames of a clip are kept."""

import numpy as np
from numpy.typing import NDArray


def pick_frames(n_frames: int, num_frames: int) -> NDArray[np.int64]:
    """Choose evenly spaced frames, first and last included; a short clip repeats its last frame.

    Args:
        n_frames: frames that the clip delivers, at least 1.
        num_frames: frames wanted.

    Returns:
        (num_frames,) int64 frame numbers, ascending.
    """
    if n_frames < num_frames:
        return np.minimum(np.arange(num_frames), n_frames - 1)
    return np.linspace(0, n_frames - 1, num_frames, dtype=int)
