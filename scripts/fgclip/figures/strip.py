"""The heat maps of a video: a strip of its frames under the map of margins, and its scores below."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from scripts.fgclip.data.boxes import box_at
from scripts.fgclip.data.records import Region
from scripts.fgclip.figures.curve import draw_curve
from scripts.fgclip.figures.heat import colour_bar, colour_span, heated
from scripts.fgclip.figures.shown_video import ShownVideo
from scripts.shared.figures.folding import folded
from scripts.shared.figures.style import DPI, FAILED, QUIET, house_style

FRAMES = 8  # in a strip
_ACROSS = 4
# All in pixels.
_WIDE, _GAP, _LABEL, _LEFT, _RIGHT = 250, 10, 20, 16, 92
_TITLE, _LINE, _CURVE, _BELOW, _LEGEND, _AXIS = 40, 17, 130, 52, 34, 62
_LETTERS, _HEADING = 150, 120  # in a line of captions, and in the heading
BOX = "#35e0ff"


def strip_figure(
    shown: ShownVideo, places: NDArray[np.int64], pictures: NDArray[np.uint8], *, title: str, stepwise: bool
) -> Figure:
    """Draw a video's strip.

    Args:
        shown: the video.
        places: (m,) the frames that are shown, as places among the scored ones.
        pictures: (m, height, width, 3) uint8 RGB of these.
        title: stands above, before the video's own.
        stepwise: see `draw_curve`.
    """
    height, width = pictures.shape[1:3]
    tall = round(_WIDE * height / width)
    n_rows = -(-len(places) // _ACROSS)
    captions = folded([region.caption for region in shown.regions if region.caption], width=_LETTERS, n_lines=3)
    top_of_frames = _TITLE + _LINE * len(captions)
    top_of_curve = top_of_frames + n_rows * (_LABEL + tall + _GAP) + _LEGEND
    size = (_LEFT + _ACROSS * (_WIDE + _GAP) + _RIGHT, top_of_curve + _CURVE + _BELOW)
    span = colour_span(shown.margin_map)
    with house_style():
        figure = Figure(figsize=(size[0] / DPI, size[1] / DPI))

        def axes_at(left: float, top: float, wide: float, high: float) -> Axes:
            return figure.add_axes((left / size[0], 1 - (top + high) / size[1], wide / size[0], high / size[1]))

        (heading,) = folded([f"{title}: {shown.title}"], width=_HEADING, n_lines=1)
        figure.text(_LEFT / size[0], 1 - 12 / size[1], heading, va="top", fontsize=12)
        for number, line in enumerate(captions):
            at = 1 - (_TITLE - 4 + _LINE * number) / size[1]
            figure.text(_LEFT / size[0], at, line, va="top", fontsize=9, color=QUIET)
        for number, (place, picture) in enumerate(zip(places.tolist(), pictures, strict=True)):
            row, column = divmod(number, _ACROSS)
            top = top_of_frames + row * (_LABEL + tall + _GAP) + _LABEL
            axes = axes_at(_LEFT + column * (_WIDE + _GAP), top, _WIDE, tall)
            _draw_frame(axes, shown, place, heated(picture, shown.margin_map[place], span))
        bar = axes_at(size[0] - _RIGHT + 14, top_of_frames + _LABEL, 14, tall)
        colors = ScalarMappable(Normalize(*span), colour_bar())
        figure.colorbar(colors, cax=bar).ax.tick_params(labelsize=8, colors=QUIET)
        bar.set_title("margin", fontsize=8, color=QUIET, loc="left")
        curve = axes_at(_LEFT + _AXIS, top_of_curve, size[0] - _LEFT - _AXIS - 24, _CURVE)
        draw_curve(curve, shown, stepwise=stepwise)
        _mark(curve, shown.frames[places])
    return figure


def _draw_frame(axes: Axes, shown: ShownVideo, place: int, picture: NDArray[np.uint8]) -> None:
    frame = int(shown.frames[place])
    height, width = picture.shape[:2]
    axes.imshow(picture, extent=(0, width, height, 0), aspect="auto", interpolation="bilinear")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    true = any(start <= frame < end for start, end in shown.video.intervals)
    for spine in axes.spines.values():
        spine.set(visible=True, edgecolor=FAILED if true else QUIET, linewidth=3.5 if true else 0.8)
    for x1, y1, x2, y2 in boxes_at(shown.regions, frame):
        corner = (x1 * width, y1 * height)
        across, down = (x2 - x1) * width, (y2 - y1) * height
        axes.add_patch(Rectangle(corner, across, down, fill=False, edgecolor=BOX, linewidth=1.6))
    seconds = f" ({frame / shown.video.fps:,.1f} s)" if shown.video.fps > 0 else ""
    axes.set_title(f"{frame:,}{seconds}: {shown.judged[place]:.2f}", fontsize=9, color="black" if true else QUIET)


def _mark(curve: Axes, frames: NDArray[np.int64]) -> None:
    """Put a triangle under the curve at each frame that is shown."""
    curve.plot(
        frames,
        [0.0] * len(frames),
        linestyle="",
        marker="^",
        markersize=6,
        color="black",
        transform=curve.get_xaxis_transform(),
        clip_on=False,
        zorder=5,
    )


def boxes_at(regions: Sequence[Region], frame: int) -> list[tuple[float, float, float, float]]:
    """The boxes of all regions at a frame, x1, y1, x2, y2 as fractions of the picture."""
    found = (box_at(region, frame, bin_frames=None) for region in regions)
    return [box for box in found if box is not None]
