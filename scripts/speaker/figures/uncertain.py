"""A closer look at the boundaries that are least certain."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from numpy.typing import NDArray

from scripts.shared.figures.style import DPI, FAILED, QUIET, drawable, house_style, say_instead
from scripts.speaker.boundaries.confidence import within_variance
from scripts.speaker.boundaries.found import Boundary
from scripts.speaker.boundaries.noise import estimate_noise
from scripts.speaker.boundaries.places import weigh_places
from scripts.speaker.boundaries.unit_rows import segment_sums, unit_rows
from scripts.speaker.figures.marks import REFERENCE_MARK, mark_reference, whole_numbers
from scripts.speaker.figures.palette import color_of
from scripts.speaker.figures.segmentation import Segmentation

MOST_SHOWN = 9
_AROUND = 15  # files to each side
_WIDTH, _ROW, _HEAD, _BESIDE = 1536, 280, 80, 75  # in pixels
_LIKELY, _BAR = "#d3d9de", 7  # points wide
_SIZE = 9  # of the letters over a panel, in points


class Closeup(NamedTuple):
    """The files around one boundary.

    Attributes:
        number: of the boundary, from 0: it ends the speaker of that number.
        rows: (w,) int64.
        left: (w,) cosine to the mean of the speaker before the boundary.
        right: (w,) cosine to the mean of the speaker after it.
        probabilities: (w - 1,) that the change is just before each row but the first; see `confidence`.
    """

    number: int
    rows: NDArray[np.int64]
    left: NDArray[np.float32]
    right: NDArray[np.float32]
    probabilities: NDArray[np.float64]


def least_certain(boundaries: tuple[Boundary, ...]) -> list[int]:
    """Numbers of up to nine boundaries, the least certain first; unreliable ones before others."""
    by_doubt = sorted(range(len(boundaries)), key=lambda i: (boundaries[i].reliable, boundaries[i].confidence, i))
    return by_doubt[:MOST_SHOWN]


def close_ups(embeddings: NDArray[np.float32], segmentation: Segmentation, numbers: Sequence[int]) -> list[Closeup]:
    """Compare the files around boundaries with the two speakers that each parts.

    Args:
        embeddings: (n, D), may be a memory map.
        segmentation: the speakers found.
        numbers: of the boundaries, from 0.
    """
    if not numbers:
        return []
    indices = np.asarray(segmentation.indices, np.int64)
    noise = estimate_noise(embeddings, block=1)
    variance = within_variance(embeddings, indices, noise)
    seen = []
    for number in numbers:
        start, index, end = around = indices[number : number + 3]
        rows = np.arange(max(index - _AROUND, 0), min(index + _AROUND, segmentation.n))
        # Cosines to the speaker's mean: its direction is that of the sum.
        sums = segment_sums(embeddings[start:end], [0, index - start, end - start])
        left, right = unit_rows(sums.astype(np.float32), slice(0, 2)) @ unit_rows(embeddings, rows).T
        places = weigh_places(embeddings, around, noise=noise, variance=variance)
        seen.append(Closeup(number, rows, left, right, places.probabilities[0, rows[1:] - places.first[0]]))
    return seen


def uncertain_figure(
    segmentation: Segmentation, closeups: list[Closeup], names: dict[int, str], *, title: str
) -> Figure:
    """Draw `uncertain_boundaries.png`.

    Args:
        segmentation: the speakers found.
        closeups: up to nine, in the order in which they are drawn.
        names: relative paths of the files beside these boundaries, by row.
        title: the dataset in words.
    """
    n_columns = max(1, min(len(closeups), 3))
    n_lines = max(1, -(-len(closeups) // n_columns))
    with house_style():
        figure = Figure(figsize=(_WIDTH / DPI, (_HEAD + n_lines * _ROW) / DPI), layout="constrained")
        n_found = len(segmentation.boundaries)
        which = "all" if n_found == len(closeups) else f"{len(closeups)} of"
        some = f": {which} {n_found:,} boundaries, the least certain first" if n_found > 1 else ""
        figure.suptitle(drawable(f"{title}{some}"), x=0.01, ha="left")
        grid = figure.subplots(n_lines, n_columns, squeeze=False).ravel()
        if not closeups:
            say_instead(grid[0], "no boundary was found")
            return figure
        for axes, closeup in zip(grid, closeups, strict=False):
            _draw(axes, closeup, segmentation, names, room_px=_WIDTH / n_columns - _BESIDE)
        for axes in grid[len(closeups) :]:
            axes.set_axis_off()
        figure.supylabel("cosine", fontsize=10)
        figure.legend(handles=_legend(segmentation), loc="outside lower right", ncols=5, frameon=False)
    return figure


def _draw(axes: Axes, closeup: Closeup, segmentation: Segmentation, names: dict[int, str], *, room_px: float) -> None:
    boundary = segmentation.boundaries[closeup.number]
    rows, through = closeup.rows, axes.get_xaxis_transform()
    axes.vlines(rows[1:] - 0.5, 0, closeup.probabilities, color=_LIKELY, linewidth=_BAR, transform=through, zorder=0.5)
    for similarity, speaker, marker in (
        (closeup.left, closeup.number, "o"),
        (closeup.right, closeup.number + 1, "s"),
    ):
        axes.plot(rows, similarity, color=color_of(speaker), marker=marker, markersize=4, linewidth=1)
    inside = [index for index in segmentation.indices[1:-1] if rows[0] < index <= rows[-1] and index != boundary.index]
    axes.vlines([index - 0.5 for index in inside], 0, 1, color=QUIET, linewidth=1, transform=through)
    axes.axvline(boundary.index - 0.5, color=FAILED, linestyle=(0, (4, 2)), linewidth=1.5)
    if segmentation.reference is not None:
        mark_reference(axes, [index for index in segmentation.reference if rows[0] < index <= rows[-1]])
    before, after = segmentation.speaker_ids[closeup.number : closeup.number + 2]
    doubt = "" if boundary.reliable else ", unreliable"
    lines = (
        f"{before} | {after.rpartition('_')[2]}: "
        f"confidence {boundary.confidence:.2f}, margin {boundary.margin:.2g}{doubt}",
        f"{boundary.index - 1:,} before: {names[boundary.index - 1]}",
        f"{boundary.index:,} after: {names[boundary.index]}",
    )

    def fits(words: str) -> bool:
        return Text(text=words, fontsize=_SIZE, figure=axes.figure).get_window_extent().width <= room_px

    axes.set_title("\n".join(shortened(line, fits) for line in lines), fontsize=_SIZE)
    whole_numbers(axes.xaxis, 6)
    axes.grid(visible=False, axis="x")


def shortened(text: str, fits: Callable[[str], bool]) -> str:
    """The text as it can be drawn, as much of its middle left out as it takes to fit: the end says most of a path."""
    letters = drawable(text)
    if fits(letters):
        return letters

    def cut(kept: int) -> str:
        return f"{letters[: kept // 3]}...{letters[len(letters) - (kept - kept // 3) :]}"

    return cut(max(bisect_left(range(len(letters)), True, key=lambda kept: not fits(cut(kept))) - 1, 0))


def _legend(segmentation: Segmentation) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=QUIET, marker="o", markersize=4, label="cosine to the mean of the speaker before"),
        Line2D([], [], color=QUIET, marker="s", markersize=4, label="of the speaker after"),
        Line2D([], [], color=FAILED, linestyle=(0, (4, 2)), label="place chosen"),
        Patch(color=_LIKELY, label="probability of a place (full height: 1)"),
    ]
    if segmentation.reference is not None:
        handles.append(Line2D([], [], label="boundary of the reference", **REFERENCE_MARK))
    return handles
