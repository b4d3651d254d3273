"""Scores that no model made."""

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.scoring.score_files import VideoScores

CLASSES = ("Fire", "Flood", "Normal")


def made_scores(
    *,
    n_frames: int,
    stride: int = 4,
    margins: NDArray[np.floating] | None = None,
    margin_map: NDArray[np.floating] | None = None,
    grid: int = 2,
    seed: int = 0,
) -> VideoScores:
    """Scores of a video.

    Args:
        n_frames: of the video.
        stride: every so many frames one is scored.
        margins: (n,) of whole frames; drawn where not given, as the rest is.
        margin_map: (n, H, W); its largest is the dense score.
        grid: H and W where no map is given.
        seed: of what is drawn.
    """
    rng = np.random.default_rng(seed)
    frames = np.arange(0, n_frames, stride)
    if margins is None:
        margins = rng.normal(size=len(frames))
    if margin_map is None:
        margin_map = rng.normal(size=(len(frames), grid, grid))
    return VideoScores(
        frames=frames,
        global_margins=margins.astype(np.float32),
        dense_margins=margin_map.max((1, 2)).astype(np.float32),
        margin_map=margin_map.astype(np.float32),
        class_logits=rng.normal(size=(len(frames), len(CLASSES))).astype(np.float32),
        video_logits=rng.normal(size=len(CLASSES)).astype(np.float32),
        classes=CLASSES,
        n_frames=n_frames,
    )
