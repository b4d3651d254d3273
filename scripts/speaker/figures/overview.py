"""The whole collection at a glance: its files on principal components, and where adjacent files differ."""

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from scripts.shared.figures.style import DPI, drawable, house_style, say_instead
from scripts.speaker.figures.marks import FILE, counted
from scripts.speaker.figures.planes import draw_plane
from scripts.speaker.figures.projection import Projection
from scripts.speaker.figures.segmentation import Segmentation, uncertain
from scripts.speaker.figures.track import draw_line, track_legend, track_lines

# In pixels. A report page shows a picture of this size whole on a usual screen.
_WIDTH, _HEIGHT = 1536, 920
_PLANES, _PLANES_OVER_LINES = 430, 320


def overview_figure(
    segmentation: Segmentation, projection: Projection, adjacent: NDArray[np.float32], *, title: str
) -> Figure:
    """Draw `boundary_detection_visualization.png`.

    Args:
        segmentation: the speakers found.
        projection: of the files on at least four components.
        adjacent: (n - 1,) cosine of each file and the next.
        title: the dataset in words.
    """
    lines = track_lines(segmentation.n, len(segmentation.speaker_ids))
    with house_style():
        figure = Figure(figsize=(_WIDTH / DPI, _HEIGHT / DPI), layout="constrained")
        figure.suptitle(drawable(f"{title}: {in_words(segmentation)}"), x=0.01, ha="left")
        top = _PLANES if len(lines) == 1 else _PLANES_OVER_LINES
        parts = figure.subfigures(2, 1, squeeze=False, height_ratios=[top, _HEIGHT - top])[:, 0]
        _draw_planes(parts[0], segmentation, projection)
        _draw_track(parts[1], segmentation, adjacent, lines)
    return figure


def in_words(segmentation: Segmentation) -> str:
    """How many speakers were found, with how many doubts, and how many there are by the reference."""
    n_doubted = sum(map(uncertain, segmentation.boundaries))
    found = f"{counted(segmentation.n, 'file')}, {counted(len(segmentation.speaker_ids), 'speaker')} found"
    doubt = f", {n_doubted:,} of {len(segmentation.boundaries):,} boundaries uncertain" if n_doubted else ""
    known = "" if segmentation.reference is None else f"; {len(segmentation.reference) + 1:,} by the reference"
    return f"{found}{doubt}{known}"


def _draw_planes(part: SubFigure, segmentation: Segmentation, projection: Projection) -> None:
    first, second = part.subplots(1, 2, squeeze=False)[0]
    draw_plane(first, projection, segmentation, components=(0, 1))
    draw_plane(second, projection, segmentation, components=(2, 3))


def _draw_track(
    part: SubFigure, segmentation: Segmentation, adjacent: NDArray[np.float32], lines: list[tuple[int, int]]
) -> None:
    rows = part.subplots(len(lines), 1, squeeze=False)[:, 0]
    if not len(adjacent):
        say_instead(rows[0], "a single file has no neighbour")
        return
    lowest = float(adjacent.min())
    for number, axes in enumerate(rows):
        draw_line(axes, segmentation, adjacent, lines, number)
        axes.set_ylim(lowest - 0.05 * max(1 - lowest, 0.02), 1)
        axes.yaxis.set_major_locator(MaxNLocator(5 if len(lines) == 1 else 3))
    rows[-1].set_xlabel(FILE)
    part.supylabel("cosine of adjacent files", fontsize=10)
    part.legend(handles=track_legend(segmentation, lines), loc="outside upper right", ncols=6, frameon=False)
