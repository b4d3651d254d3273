"""Files drawn on two principal components, by speaker."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from scripts.shared.figures.style import drawable
from scripts.speaker.figures.palette import COLORS, color_of, marker_of, speakers_of
from scripts.speaker.figures.projection import Projection
from scripts.speaker.figures.segmentation import Segmentation

_MOST_NAMED = 12  # speakers
_MOST_CLOUDS = 60  # with more speakers each is one dot over the density of the files
_GRID = (100, 26)  # cells of the density: as many as make them regular


def draw_plane(axes: Axes, projection: Projection, segmentation: Segmentation, *, components: tuple[int, int]) -> None:
    """Draw files on two components, in the colours of their speakers.

    Args:
        axes: where to draw.
        projection: of some of the files.
        segmentation: the speakers found. Up to 12 are named; from 61 on each is a dot at the mean of its files.
        components: which two, from 0.
    """
    places = projection.places[:, components]
    speakers = speakers_of(projection.rows, segmentation.indices)
    n_speakers = len(segmentation.speaker_ids)
    named = n_speakers <= _MOST_NAMED
    if n_speakers > _MOST_CLOUDS:
        axes.hexbin(*places.T, gridsize=_GRID, bins="log", cmap="Greys", alpha=0.6, mincnt=1, linewidths=0)
        present, means = speaker_means(places, speakers)
        _dots(axes, means, present, s=float(np.clip(16000 / len(present), 3, 16)), linewidths=0.4, edgecolors="white")
    elif named:
        style = _dot_style(len(places))
        for speaker in range(n_speakers):
            x, y = places[speakers == speaker].T
            axes.scatter(x, y, color=color_of(speaker), marker=marker_of(speaker), **style)
        _name_speakers(axes, places, speakers, segmentation.speaker_ids)
    else:
        # In the order of the collection the later speakers would hide the earlier.
        shuffled = np.random.default_rng(0).permutation(len(places))
        _dots(axes, places[shuffled], speakers[shuffled], **_dot_style(len(places)))
    _limit(axes, places, room=0.55 if named else 0.04)
    first, second = components
    axes.set_xlabel(f"component {first + 1} ({100 * projection.shares[first]:.3g} % of the variance)")
    axes.set_ylabel(f"component {second + 1} ({100 * projection.shares[second]:.3g} %)")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(_in_words(projection, segmentation, components))


def _in_words(projection: Projection, segmentation: Segmentation, components: tuple[int, int]) -> str:
    """What is drawn; over the first components alone what holds for the others as well."""
    n_drawn, n_speakers = len(projection.rows), len(segmentation.speaker_ids)
    words = f"principal components {components[0] + 1} and {components[1] + 1}"
    if components[0]:
        return words if n_speakers <= _MOST_NAMED else f"{words}; a colour is used again every {len(COLORS)} speakers"
    some = "" if n_drawn == segmentation.n else f" of {n_drawn:,} files, evenly spaced"
    return f"{words}{some}; dots: means of the speakers" if n_speakers > _MOST_CLOUDS else f"{words}{some}"


def speaker_means(
    places: NDArray[np.float64], speakers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Mean place of each speaker's files.

    Args:
        places: (p, 2).
        speakers: (p,) number of each file's speaker.

    Returns:
        (k,) numbers of the speakers that have files here, ascending, and (k, 2) their means.
    """
    present, which, counts = np.unique(speakers, return_inverse=True, return_counts=True)
    sums = [np.bincount(which, weights=coordinate) for coordinate in places.T]
    return present, np.column_stack(sums) / counts[:, np.newaxis]


def _dots(axes: Axes, places: NDArray[np.float64], speakers: NDArray[np.int64], **style: Any) -> None:
    x, y = places.T
    axes.scatter(x, y, c=[color_of(speaker) for speaker in speakers.tolist()], marker="o", **style)


def _dot_style(n_dots: int) -> dict[str, Any]:
    size = float(np.clip(12000 / n_dots, 2.5, 42))
    return {"s": size, "linewidths": 0, "alpha": 0.85 if n_dots < 2000 else 0.5}


def _limit(axes: Axes, places: NDArray[np.float64], *, room: float) -> None:
    """Leave room at the left and at the right, in parts of the points' own width."""
    (left, bottom), (right, top) = places.min(axis=0), places.max(axis=0)
    width, height = max(right - left, 1e-6), max(top - bottom, 1e-6)
    axes.set_xlim(left - room * width, right + room * width)
    axes.set_ylim(bottom - 0.06 * height, top + 0.06 * height)


def _name_speakers(
    axes: Axes, places: NDArray[np.float64], speakers: NDArray[np.int64], speaker_ids: Sequence[str]
) -> None:
    """Name each speaker at the side nearer to its files, one below another, so that no name covers another."""
    drawn = np.unique(speakers)
    middles = np.array([_middle_one(places[speakers == speaker]) for speaker in drawn])
    by_x = np.argsort(middles[:, 0], kind="stable")
    half = (len(drawn) + 1) // 2
    for side, at, align in ((by_x[:half], 0.01, "left"), (by_x[half:], 0.99, "right")):
        downwards = side[np.argsort(-middles[side, 1], kind="stable")]
        for number, which in enumerate(downwards.tolist()):
            speaker = int(drawn[which])
            axes.annotate(
                drawable(speaker_ids[speaker]),
                xy=tuple(middles[which]),
                xytext=(at, 1 - (number + 0.5) / len(side)),
                textcoords="axes fraction",
                ha=align,
                va="center",
                arrowprops={"arrowstyle": "-", "color": color_of(speaker), "linewidth": 1.2},
            )


def _middle_one(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place (2,) nearest to the median of all."""
    away = ((places - np.median(places, axis=0)) ** 2).sum(axis=1)
    middle: NDArray[np.float64] = places[away.argmin()]
    return middle
