"""What the pictures have in common: the mark of a reference's boundary, and the axis of files."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

REFERENCE_MARK: dict[str, Any] = {
    "marker": "^",
    "linestyle": "",
    "markersize": 6,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "zorder": 5,
}
FILE = "file, counted from 0 (row of embeddings.npy)"


def mark_reference(axes: Axes, indices: Sequence[int], style: Mapping[str, Any] = REFERENCE_MARK) -> None:
    """Mark a reference's boundaries at the lower edge of axes on which row i is at i."""
    if indices:  # no marks that may stand beyond the axes would still be given room, at the corner of the figure
        at = [index - 0.5 for index in indices]
        axes.plot(at, [0.0] * len(at), clip_on=False, transform=axes.get_xaxis_transform(), **style)


def whole_numbers(axis: Axis, most: int) -> None:
    """Give an axis at most that many ticks, at round whole numbers."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def counted(number: int, noun: str) -> str:
    """`1 speaker`, `2 speakers`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def plain(number: float) -> str:
    """Three digits of a number, without an exponent: `1,350`, `0.0125`."""
    return f"{float(f'{number:.3g}'):,.12g}"
