"""A map of margins over a frame: which colours, how strong, between scored frames, and which frames are shown."""

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

_STRONGEST = 0.72  # part of the hottest colour in a pixel: what happens there must still be seen
_GREY = 110  # of the ground on which the colour bar shows the colours
_COOLEST = 5  # percentile of a video's margins from which there is colour
# By heat, in 256 steps: which part of a pixel is kept, and what of the colour is added. Inferno's dark and pale ends
# are left out: they are lost on night and on snow.
_STRENGTH = np.linspace(0.0, _STRONGEST, 256, dtype=np.float32)[:, np.newaxis]
_KEPT = 1 - _STRENGTH
_ADDED = 255 * _STRENGTH * colormaps["inferno"](np.linspace(0.25, 0.8, 256))[:, :3].astype(np.float32)


def colour_span(maps: NDArray[np.float32]) -> tuple[float, float]:
    """Margins at which the colours begin and end, the same for all frames of a video.

    Args:
        maps: (n, H, W) margins of all scored frames.

    Returns:
        The 5th percentile and the greatest; the second is the larger.
    """
    low, high = float(np.percentile(maps, _COOLEST)), float(maps.max())
    return low, max(high, low + 1e-6)


def at_frames(scored: NDArray[np.int64], values: NDArray[np.float32], wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    """Values at frames, linear between the two scored frames beside each; at both ends those of the nearest.

    Args:
        scored: (n,) frame numbers, ascending.
        values: (n, ...) of these.
        wanted: (m,) frame numbers.

    Returns:
        (m, ...) float32.
    """
    places = np.interp(wanted, scored, np.arange(len(scored)))
    before = np.floor(places).astype(np.int64)
    after = np.minimum(before + 1, len(scored) - 1)
    part = (places - before).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    mixed: NDArray[np.float32] = (1 - part) * values[before] + part * values[after]
    return mixed


def heated(picture: NDArray[np.uint8], margins: NDArray[np.float32], span: tuple[float, float]) -> NDArray[np.uint8]:
    """Lay a map over a frame, bilinear: the hotter, the more of the colour.

    Args:
        picture: (height, width, 3) uint8 RGB.
        margins: (H, W) of the patches, which cover the frame evenly.
        span: margins at which the colours begin and end.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    height, width = picture.shape[:2]
    fine = cv2.resize(margins, (width, height), interpolation=cv2.INTER_LINEAR)
    heat = np.clip((fine - span[0]) * (255 / (span[1] - span[0])), 0.0, 255.0).astype(np.uint8)
    return _coloured(picture, heat)


def _coloured(ground: NDArray[np.uint8], heat: NDArray[np.uint8]) -> NDArray[np.uint8]:
    mixed: NDArray[np.uint8] = np.rint(ground * _KEPT[heat] + _ADDED[heat]).astype(np.uint8)
    return mixed


def colour_bar() -> ListedColormap:
    """The colours of `heated` over grey, for matplotlib's colour bar."""
    return ListedColormap(_coloured(np.full((256, 3), _GREY, np.uint8), np.arange(256, dtype=np.uint8)) / 255)


def frames_to_show(
    scored: NDArray[np.int64],
    scores: NDArray[np.float32],
    intervals: Sequence[tuple[int, int]],
    *,
    n_frames: int,
    most: int,
) -> NDArray[np.int64]:
    """Choose frames that tell what a video shows and what the model made of it.

    The video is cut into `most` equal stretches. One that holds the middle of a true interval shows the frame nearest
    to that (where it holds several, to the last), so that a missed event is seen as well; of the others each shows its
    frame of the highest score.

    Args:
        scored: (n,) frame numbers, ascending.
        scores: (n,) of these.
        intervals: true anomalies, [start, end) in frames.
        n_frames: of the video.
        most: frames at most.

    Returns:
        Places in `scored`, ascending, n at most.
    """
    if len(scored) <= most:
        return np.arange(len(scored))
    stretch = scored * most // n_frames
    chosen = {}
    for number in np.unique(stretch).tolist():
        places = np.flatnonzero(stretch == number)
        chosen[number] = int(places[scores[places].argmax()])
    for start, end in intervals:
        middle = (start + end - 1) // 2
        chosen[middle * most // n_frames] = int(np.abs(scored - middle).argmin())
    return np.unique(np.array(sorted(chosen.values()), np.int64))
