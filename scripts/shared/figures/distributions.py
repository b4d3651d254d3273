"""How values are distributed: bars for kinds, a histogram for numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from scripts.shared.figures.style import FAILED, MADE, drawable, house_style, say_instead

_MOST_BARS, _THIN_FROM = 12, 6
_BINS = (5, 40)
_LOG_FROM = 50.0  # largest value in units of the smallest: a linear axis would put nearly all in one bin


def failures_figure(errors: Mapping[str, int], *, n_samples: int, title: str) -> Figure:
    """Failed samples by class of error.

    Args:
        errors: how many samples failed by each class.
        n_samples: samples in all, failed or not.
        title: of the figure; how many failed is added.
    """
    n_failed = sum(errors.values())
    with house_style():
        n_bars = min(len(errors), _MOST_BARS + 1)
        figure = Figure(figsize=(9, 1.0 + 0.36 * max(n_bars, _THIN_FROM)), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(f"{title}: {n_failed:,} of {n_samples:,} samples failed")
        draw_counts(axes, errors, of=n_samples, none="none failed", color=FAILED)
    return figure


def draw_counts(axes: Axes, counts: Mapping[str, int], *, of: int, none: str, color: str = MADE) -> None:
    """Draw a bar a kind, the commonest on top; the rarest together as one where there are many.

    Args:
        axes: where to draw.
        counts: how many samples are of each kind.
        of: samples in all, for the percentages.
        none: said where there are no kinds.
        color: of the bars.
    """
    if not counts:
        say_instead(axes, none)
        return
    bars = gather_rare(counts, _MOST_BARS)
    names = [drawable(name) for name, _ in bars]
    values = [count for _, count in bars]
    drawn = axes.barh(range(len(bars)), values, color=color, height=0.7)
    axes.set_yticks(range(len(bars)), names)
    axes.set_ylim(max(len(bars), _THIN_FROM) - 0.4, -0.6)  # the first on top, and few bars no thicker than many
    axes.bar_label(drawn, [f"{value:,} ({100 * value / of:.3g} %)" for value in values], padding=4)
    axes.set_xlim(0, max(values) * 1.35)
    _samples_axis(axes, "x")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def gather_rare(counts: Mapping[str, int], most: int) -> list[tuple[str, int]]:
    """The kinds and how often each occurs, the commonest first; from `most` + 2 kinds on the rarest as one."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rare = ordered[most:]
    if len(rare) < 2:
        return ordered
    return [*ordered[:most], (f"{len(rare):,} others", sum(count for _, count in rare))]


def draw_histogram(axes: Axes, values: Sequence[float] | NDArray[np.float64], *, label: str, none: str) -> None:
    """Draw how many values lie where, on a logarithmic axis where they range far.

    Args:
        axes: where to draw.
        values: (n,) above 0.
        label: of the axis of values, with its unit.
        none: said where there are no values.
    """
    if not len(values):
        say_instead(axes, none)
        return
    numbers = np.asarray(values, np.float64)
    edges, logarithmic = bin_edges(numbers)
    axes.hist(numbers, edges.tolist(), color=MADE, edgecolor="white", linewidth=0.5)
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    _samples_axis(axes, "y")


def bin_edges(values: ArrayLike) -> tuple[NDArray[np.float64], bool]:
    """Edges of the bins of a histogram.

    Args:
        values: (n,) above 0, n at least 1.

    Returns:
        Ascending edges that hold all values, and whether they are evenly spaced in logarithm.
    """
    numbers = np.asarray(values, np.float64)
    least, greatest = float(numbers.min()), float(numbers.max())
    if least == greatest:
        return np.array([0.95 * least, 1.05 * least]), False
    n_bins = int(np.clip(np.sqrt(numbers.size), *_BINS))
    logarithmic = greatest > _LOG_FROM * least
    edges = (np.geomspace if logarithmic else np.linspace)(least, greatest, n_bins + 1)
    edges[[0, -1]] = least, greatest  # rounding must not leave one out
    return edges, logarithmic


def _samples_axis(axes: Axes, which: str) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(6, integer=True))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_label_text("samples")
