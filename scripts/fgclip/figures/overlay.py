"""A video of heat maps: each frame under its map, above a band of scores along which a mark moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.fgclip.figures.curve import draw_curve
from scripts.fgclip.figures.heat import at_frames, colour_span, heated
from scripts.fgclip.figures.shown_video import ShownVideo
from scripts.fgclip.figures.strip import BOX, boxes_at
from scripts.shared.figures.style import DPI, FAILED, drawable, house_style
from scripts.shared.video.writing import write_h264

MOST_FRAMES = 600  # of an overlay: a longer video is shown faster
_SLOWEST, _FASTEST = 5, 30  # pictures a second
_BAND = 120  # pixels below the picture
_MARGINS = {"left": 0.07, "right": 0.985, "bottom": 0.2, "top": 0.8}  # of the curve in its band
# Small files in which the map is still smooth.
_X264 = {"crf": "26", "preset": "veryfast"}
_RGB = {color: tuple(bytes.fromhex(color[1:])) for color in (BOX, FAILED)}


@dataclass(frozen=True)
class Pace:
    """Which frames of a video an overlay has, and how fast.

    Attributes:
        numbers: (m,) int64 frame numbers.
        a_second: pictures a second.
        speed: how much faster than the video; 1 for its own speed.
    """

    numbers: NDArray[np.int64]
    a_second: Fraction
    speed: float


def pace(n_frames: int, fps: float) -> Pace:
    """Choose every frame of a short video, every k-th of a longer one, `MOST_FRAMES` at most.

    Args:
        n_frames: of the video.
        fps: its frames a second; 0 where the file has no times.
    """
    every = -(-n_frames // MOST_FRAMES)
    known = fps or float(_FASTEST)
    a_second = Fraction(min(max(known, _SLOWEST), _FASTEST)).limit_denominator(1001)
    return Pace(np.arange(0, n_frames, every), a_second, every * float(a_second) / known)


def write_overlay(path: Path, shown: ShownVideo, pictures: NDArray[np.uint8], at: Pace, *, stepwise: bool) -> None:
    """Make a video's overlay, an MP4 file that browsers play; see `write_h264`.

    Args:
        path: of the file.
        shown: the video.
        pictures: (m, height, width, 3) uint8 RGB of the frames of `at`; height and width are even.
        at: which frames these are.
        stepwise: see `draw_curve`.
    """
    write_h264(path, _composed(shown, pictures, at, stepwise=stepwise), fps=at.a_second, options=_X264)


def _composed(
    shown: ShownVideo, pictures: NDArray[np.uint8], at: Pace, *, stepwise: bool
) -> Iterator[NDArray[np.uint8]]:
    """Each picture of the overlay, (height + band, width, 3) uint8 RGB."""
    width = pictures.shape[2]
    span = colour_span(shown.margin_map)
    maps = at_frames(shown.frames, shown.margin_map, at.numbers)
    band = _band(shown, width, at.speed, stepwise=stepwise)
    first, last = _MARGINS["left"] * width, _MARGINS["right"] * width
    for picture, margins, number in zip(pictures, maps, at.numbers.tolist(), strict=True):
        above = heated(picture, margins, span)
        for box in boxes_at(shown.regions, number):
            _outline(above, box, _RGB[BOX])
        if any(start <= number < end for start, end in shown.video.intervals):
            _outline(above, (0.0, 0.0, 1.0, 1.0), _RGB[FAILED], thick=4)
        below = band.copy()
        here = round(first + (last - first) * number / shown.video.n_frames)
        below[round(_BAND * (1 - _MARGINS["top"])) : round(_BAND * (1 - _MARGINS["bottom"])), here : here + 2] = 0
        yield np.concatenate([above, below])


def _band(shown: ShownVideo, width: int, speed: float, *, stepwise: bool) -> NDArray[np.uint8]:
    """(band, width, 3) uint8 RGB: the video's scores, and in a line what it is."""
    with house_style():
        figure = Figure(figsize=(width / DPI, _BAND / DPI))
        canvas: Any = FigureCanvasAgg(figure)  # its methods have no types
        axes = figure.add_subplot()
        figure.subplots_adjust(**_MARGINS)
        draw_curve(axes, shown, stepwise=stepwise, legend=False)
        axes.set_xlabel("")
        axes.set_ylabel("")
        faster = "" if abs(speed - 1) < 0.01 else f", {speed:.3g} times its speed"
        axes.set_title(drawable(f"{shown.video.key} ({shown.video.category}){faster}"), fontsize=8)
        axes.tick_params(labelsize=6)
        canvas.draw()
        return np.array(canvas.buffer_rgba())[..., :3]


def _outline(
    picture: NDArray[np.uint8], box: tuple[float, float, float, float], color: tuple[int, ...], *, thick: int = 2
) -> None:
    """Draw the outline of a box, given in fractions of the picture, inwards from its edges."""
    height, width = picture.shape[:2]
    left, right = (min(max(round(x * width), 0), width) for x in (box[0], box[2]))
    top, bottom = (min(max(round(y * height), 0), height) for y in (box[1], box[3]))
    if right <= left or bottom <= top:
        return
    picture[top : min(top + thick, bottom), left:right] = color
    picture[max(bottom - thick, top) : bottom, left:right] = color
    picture[top:bottom, left : min(left + thick, right)] = color
    picture[top:bottom, max(right - thick, left) : right] = color
