"""Words on a picture: any Unicode, in the fonts that the other figures have."""

from functools import cache
from typing import Any

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags
from numpy.typing import NDArray

from scripts.pose.figures.palette import rgb
from scripts.shared.figures.style import drawable, fonts, house_style

_POINTS_AN_INCH, _PARTS_OF_A_PIXEL = 72, 64
_CAPITAL = 0.73  # height of a capital letter as a part of the letters' size
_FILLED = 0.97  # part of the room that a long text may fill
_LONGEST, _KEPT = 50, 47  # characters of a caption: from 50 on the first 47 and three dots


def title_of(caption: str) -> str:
    """The caption as it stands above a picture: of 50 characters and more the first 47 and three dots."""
    return caption if len(caption) < _LONGEST else caption[:_KEPT] + "..."


def written(text: str, *, width: int, height: int, dpi: int, points: float, color: str = "black") -> NDArray[np.uint8]:
    """One line of text in the middle of a white strip; smaller where it would be wider than that.

    Args:
        text: any text; `$` is a dollar, and what no font has is shown as its escape.
        width: of the strip, in pixels.
        height: of the strip, in pixels.
        dpi: pixels an inch.
        points: size of the letters.
        color: of the letters, as matplotlib names it.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    strip = np.full((height, width, 3), 255, np.uint8)
    ink, below = _ink(drawable(text), points, dpi, _FILLED * width)
    baseline = round((height + _CAPITAL * points * dpi / _POINTS_AN_INCH) / 2)
    top, left = baseline + below - ink.shape[0], (width - ink.shape[1]) // 2
    ink = ink[max(0, -top) : height - top, max(0, -left) : width - left]  # accents may be piled up without end
    room = strip[max(0, top) : max(0, top) + ink.shape[0], max(0, left) : max(0, left) + ink.shape[1]]
    room -= (ink[..., np.newaxis] * (255 - np.array(rgb(color))) // 255).astype(np.uint8)
    return strip


def _ink(text: str, points: float, dpi: int, width: float) -> tuple[NDArray[np.int64], int]:
    """How black each pixel of a text is, 0 to 255, and how many of the rows are below the letters' foot."""
    font = _font()
    font.set_size(points, dpi)
    # Unhinted letters keep their proportions at every size.
    font.set_text(text, flags=LoadFlags.NO_HINTING)
    extent = font.get_width_height()[0] / _PARTS_OF_A_PIXEL
    if extent > width:
        font.set_size(max(points * width / extent, 1.0), dpi)
        font.set_text(text, flags=LoadFlags.NO_HINTING)
    font.draw_glyphs_to_bitmap()
    return np.asarray(font.get_image()).astype(np.int64), round(font.get_descent() / _PARTS_OF_A_PIXEL)


@cache
def _font() -> Any:
    # All fonts in one: a character that the first lacks is drawn by the next.
    with house_style():
        return get_font([findfont(FontProperties(family=[name])) for name in fonts()])
