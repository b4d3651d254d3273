"""The similarity of adjacent files along a collection, with its speakers and boundaries."""

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from scripts.shared.figures.style import FAILED, MADE, drawable
from scripts.speaker.figures.marks import REFERENCE_MARK, mark_reference, whole_numbers
from scripts.speaker.figures.palette import color_of, ink_on, speakers_of, strip
from scripts.speaker.figures.segmentation import Segmentation, uncertain
from scripts.speaker.figures.similarity import gather

# All in pixels.
_COLUMNS = 1400  # of a line
_STRIP = 15
_LETTER = 6.3
_ROOM_OF_A_SPEAKER = 7  # in the mean, as long as there are lines
_ROOM_OF_A_MARK = 14  # where boundaries stand closer in the mean, the strip alone shows those that are certain
_MOST_LINES = 5
_MOST_DOTS = 150  # files of a line
_GATHER_FROM = 3  # files a pixel; columns of one or two would differ by that alone
_SHADE, _SURE = "#86a8cf", "#b4bbc2"
_DASHES: Any = (0, (4, 2))
_DENSE_MARK: dict[str, Any] = {**REFERENCE_MARK, "marker": "|", "markeredgecolor": "black", "markersize": 7}


def track_lines(n: int, n_speakers: int) -> list[tuple[int, int]]:
    """The stretches of the collection that are drawn below each other, so that many speakers do not run together.

    Args:
        n: files, at least 1.
        n_speakers: speakers found.

    Returns:
        First row and one past the last of each line; one to five lines.
    """
    wanted = -(-n_speakers * _ROOM_OF_A_SPEAKER // _COLUMNS)
    n_lines = min(wanted, _MOST_LINES, n)
    return [(number * n // n_lines, (number + 1) * n // n_lines) for number in range(n_lines)]


def draw_line(
    axes: Axes, segmentation: Segmentation, adjacent: NDArray[np.float32], lines: list[tuple[int, int]], number: int
) -> None:
    """Draw one line of the track: row i is at i, so the pair (i - 1, i) and a boundary at i are at i - 0.5.

    Args:
        axes: where to draw.
        segmentation: the speakers found.
        adjacent: (n - 1,) cosine of each file and the next.
        lines: of the whole track.
        number: of this line, from 0.
    """
    start, end = lines[number]
    first = max(start, 1)
    values = adjacent[first - 1 : end - 1]
    if gathers(lines):
        columns = gather(values, _COLUMNS)
        edges = columns.edges + first - 1.0
        axes.stairs(columns.median, edges, baseline=columns.minimum, fill=True, color=_SHADE)
        axes.stairs(columns.median, edges, baseline=None, color=MADE, linewidth=1.0)
    else:
        marker = "o" if len(values) <= _MOST_DOTS else ""
        axes.plot(np.arange(first, end) - 0.5, values, color=MADE, linewidth=1.0, marker=marker, markersize=4)
    _mark_boundaries(axes, segmentation, start, end, dense=dense(segmentation, lines))
    axes.set_xlim(start - 0.5, end - 0.5)
    whole_numbers(axes.xaxis, 10)
    axes.grid(visible=False, axis="x")
    _draw_strip(axes, segmentation, start, end)


def gathers(lines: list[tuple[int, int]]) -> bool:
    """Whether a line has so many files a pixel that they are gathered into columns."""
    start, end = lines[-1]
    return end - start > _GATHER_FROM * _COLUMNS


def dense(segmentation: Segmentation, lines: list[tuple[int, int]]) -> bool:
    """Whether boundaries stand so close that lines across the track would hide it."""
    most = max(len(segmentation.boundaries), len(segmentation.reference or ()))
    return most * _ROOM_OF_A_MARK > _COLUMNS * len(lines)


def _mark_boundaries(axes: Axes, segmentation: Segmentation, start: int, end: int, *, dense: bool) -> None:
    shown = [boundary for boundary in segmentation.boundaries if start <= boundary.index < end]
    through = axes.get_xaxis_transform()
    sure, doubted = ([b.index - 0.5 for b in shown if uncertain(b) is doubt] for doubt in (False, True))
    # Behind the similarities: how deep they fall at a boundary is what is looked at.
    if not dense:
        axes.vlines(sure, 0, 1, color=_SURE, linewidth=1, transform=through, zorder=0.8)
    axes.vlines(doubted, 0, 1, color=FAILED, linestyle=_DASHES, linewidth=1.2, transform=through, zorder=0.9)
    axes.plot(doubted, [0.93] * len(doubted), "v", color=FAILED, markersize=6, transform=through)
    if segmentation.reference is not None:
        here = [index for index in segmentation.reference if start <= index < end]
        mark_reference(axes, here, _DENSE_MARK if dense else REFERENCE_MARK)


def _draw_strip(axes: Axes, segmentation: Segmentation, start: int, end: int) -> None:
    """A strip above the axes with each speaker's colour, and its id or its number where there is room."""
    band = axes.inset_axes((0, 1.03, 1, _STRIP / axes.get_window_extent().height))
    colors = strip(segmentation.indices, start, end, _COLUMNS)
    band.imshow(colors, extent=(start - 0.5, end - 0.5, 0, 1), aspect="auto", interpolation="nearest")
    band.set_axis_off()
    first, last = speakers_of(np.array([start, end - 1]), segmentation.indices).tolist()
    bounds = np.clip(segmentation.indices[first : last + 2], start, end).tolist()
    for speaker, (left, right) in enumerate(pairwise(bounds), first):
        room_px = (right - left) * _COLUMNS / (end - start)
        name = fitting_name(segmentation.speaker_ids[speaker], room_px=room_px)
        if name:
            ink = ink_on(color_of(speaker))
            band.text((left + right - 1) / 2, 0.45, name, ha="center", va="center", color=ink, fontsize=8)


def fitting_name(speaker_id: str, *, room_px: float) -> str:
    """The id, or what of it follows the last underscore, or nothing, as there is room."""
    for name in (speaker_id, speaker_id.rpartition("_")[2]):
        if len(name) * _LETTER + 6 <= room_px:
            return drawable(name)
    return ""


def track_legend(segmentation: Segmentation, lines: list[tuple[int, int]]) -> list[Line2D | Patch]:
    """What the track's marks mean, as handles for a legend."""
    close = dense(segmentation, lines)
    line = "median of a column of files" if gathers(lines) else "cosine of a file and the next"
    handles: list[Line2D | Patch] = [Line2D([], [], color=MADE, label=line)]
    if gathers(lines):
        handles.append(Patch(color=_SHADE, label="down to the lowest"))
    if segmentation.boundaries and not close:
        handles.append(Line2D([], [], color=_SURE, label="boundary found"))
    if any(map(uncertain, segmentation.boundaries)):
        handles.append(Line2D([], [], color=FAILED, linestyle=_DASHES, marker="v", label="uncertain boundary"))
    if segmentation.reference is not None:
        mark = _DENSE_MARK if close else REFERENCE_MARK
        handles.append(Line2D([], [], label="boundary of the reference", **mark))
    return handles
