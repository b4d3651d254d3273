"""How similar any two parts of a collection are."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.shared.figures.style import DPI, drawable, house_style
from scripts.speaker.figures.marks import FILE, counted, mark_reference, plain, whole_numbers
from scripts.speaker.figures.palette import strip
from scripts.speaker.figures.segmentation import Segmentation

_WIDTH, _HEIGHT = 1130, 920  # in pixels
_SIDE = 760.0  # of the matrix, nearly: a constrained layout has the last word
_BETWEEN_NAMES = 14.0
_MOST_LINES, _MOST_MARKS = 30, 60  # boundaries drawn across the matrix; those of the reference at its edge
_STRIP = 0.018  # of the side


def matrix_figure(segmentation: Segmentation, blocks: NDArray[np.float64], *, title: str) -> Figure:
    """Draw `similarity_matrix.png`.

    Args:
        segmentation: the speakers found.
        blocks: (b, D) means of the unit vectors of b stretches of nearly equal length, b at least 1.
        title: the dataset in words.
    """
    n, n_blocks = segmentation.n, len(blocks)
    similarity = blocks @ blocks.T
    lowest, highest = color_range(similarity)
    with house_style():
        figure = Figure(figsize=(_WIDTH / DPI, _HEIGHT / DPI), layout="constrained")
        axes = figure.add_subplot()
        of = "each two files" if n_blocks == n else f"{n_blocks} stretches of about {plain(n / n_blocks)} files"
        found = f"{counted(n, 'file')}, {counted(len(segmentation.speaker_ids), 'speaker')} found"
        figure.suptitle(f"{drawable(title)}: {found}\ncosine between {of}", x=0.01, ha="left")
        # The stretches differ by one file at most: drawn as wide as each other.
        image = axes.imshow(
            similarity, extent=(-0.5, n - 0.5, n - 0.5, -0.5), vmin=lowest, vmax=highest, interpolation="nearest"
        )
        figure.colorbar(image, ax=axes, label="cosine", extend="both", shrink=0.8)
        axes.grid(visible=False)
        whole_numbers(axes.xaxis, 8)
        axes.set_xlabel(FILE)
        _mark_speakers(axes, segmentation)
    return figure


def color_range(similarity: NDArray[np.float64]) -> tuple[float, float]:
    """Which similarities the colours span: all but the extreme ones, so that a single file does not take them all.

    Args:
        similarity: (b, b) symmetric.
    """
    off_diagonal = similarity[np.triu_indices(len(similarity), 1)]
    if not off_diagonal.size:
        return 0.0, 1.0
    lowest, highest = np.percentile(off_diagonal, [1, 99.5])
    return float(lowest), float(max(highest, lowest + 1e-3))


def _mark_speakers(axes: Axes, segmentation: Segmentation) -> None:
    n, indices = segmentation.n, segmentation.indices
    middles = [(start + end - 1) / 2 for start, end in pairwise(indices)]
    named = spaced(middles, apart=_BETWEEN_NAMES * n / _SIDE)
    axes.set_yticks([middles[which] for which in named], [drawable(segmentation.speaker_ids[which]) for which in named])
    axes.tick_params(axis="y", length=0, pad=4 + _STRIP * _SIDE, labelsize=8)
    colors = strip(indices, 0, n, round(_SIDE))
    ends = (-0.5, n - 0.5)
    above = axes.inset_axes((0, 1.005, 1, _STRIP))
    above.imshow(colors, extent=(*ends, 0, 1), aspect="auto", interpolation="nearest")
    left = axes.inset_axes((-_STRIP - 0.005, 0, _STRIP, 1))
    left.imshow(colors.swapaxes(0, 1), extent=(0, 1, *ends[::-1]), aspect="auto", interpolation="nearest")
    for band in (above, left):
        band.set_axis_off()
    if len(segmentation.boundaries) <= _MOST_LINES:
        at = [boundary.index - 0.5 for boundary in segmentation.boundaries]
        axes.vlines(at, *ends, color="white", linewidth=0.6)
        axes.hlines(at, *ends, color="white", linewidth=0.6)
    if segmentation.reference is not None and len(segmentation.reference) <= _MOST_MARKS:
        mark_reference(axes, segmentation.reference)


def spaced(places: Sequence[float], *, apart: float) -> list[int]:
    """Which of ascending places to write at, so that no two are closer than `apart`; the first always."""
    chosen: list[int] = []
    for which, place in enumerate(places):
        if not chosen or place - places[chosen[-1]] >= apart:
            chosen.append(which)
    return chosen
