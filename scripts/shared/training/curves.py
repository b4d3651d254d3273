"""The curves of a training, drawn from the rows of its `metrics.jsonl`."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter, MaxNLocator
from numpy.typing import NDArray

from scripts.shared.figures.style import FAILED, MADE, QUIET, house_style, say_instead

_COLORS = (MADE, FAILED, "#5b8c3e", "#8a5a9e", QUIET)
_MARKED_UP_TO = 40  # points: more are a line alone
_SMOOTH_FROM, _WINDOWS = 100, 50  # from so many points on a mean is drawn, over a fiftieth of them
_MOST_POINTS = 4000  # more than the picture has columns
_DASHES = ((0, (4, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        label: of the vertical axis, with its unit where it has one.
        curves: what is drawn, in words, by its name in the rows.
        logarithmic: whether the vertical axis is.
        levels: dashed lines across, such as what chance gives: their heights by what they are, in words.
    """

    label: str
    curves: Mapping[str, str]
    logarithmic: bool = False
    levels: Mapping[str, float] = field(default_factory=dict)


def curves_figure(rows: Sequence[Mapping[str, Any]], panels: Sequence[Panel], *, title: str) -> Figure:
    """Draw what a training measured over its steps, panels below each other.

    Args:
        rows: in the order of steps, as `metrics_log.read_rows` gives them.
        panels: from the top.
        title: of the figure.
    """
    with house_style():
        figure = Figure(figsize=(9, 0.6 + 2.4 * len(panels)), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left")
        last = max((row["step"] for row in rows), default=0)
        for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
            _draw(axes, rows, panel, last)
    return figure


def _draw(axes: Axes, rows: Sequence[Mapping[str, Any]], panel: Panel, last: int) -> None:
    found = {name: points for name in panel.curves if (points := _points(rows, name))[0].size}
    if not found:
        say_instead(axes, f"{panel.label}: nothing was measured")
        return
    for (name, (steps, values)), color in zip(found.items(), _cycle(len(found)), strict=True):
        smooth = steps.size >= _SMOOTH_FROM
        every = -(-steps.size // _MOST_POINTS)
        axes.plot(
            steps[::every],
            values[::every],
            color=color,
            alpha=0.3 if smooth else 1.0,
            linewidth=1.0 if smooth else 1.5,
            marker="o" if steps.size <= _MARKED_UP_TO else "",
            markersize=4,
            label=None if smooth else panel.curves[name],
        )
        if smooth:
            middles, means = _means(steps, values)
            axes.plot(middles, means, color=color, linewidth=1.8, label=panel.curves[name])
    for (words, height), dashes in zip(panel.levels.items(), itertools.cycle(_DASHES), strict=False):
        axes.axhline(height, color=QUIET, linewidth=1.3, linestyle=dashes, label=words)
    if panel.logarithmic:
        axes.set_yscale("log")
        # Matplotlib's own write formulas. Within one power of ten the lines between have numbers too.
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
    axes.set_ylabel(panel.label)
    axes.set_xlabel("step")
    axes.set_xlim(0, max(last, 1) * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if len(found) + len(panel.levels) > 1 or next(iter(panel.curves.values())) != panel.label:
        axes.legend(loc="best", frameon=False, fontsize=9)


def _cycle(n: int) -> list[str]:
    return [_COLORS[number % len(_COLORS)] for number in range(n)]


def _points(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values of those rows that have a value; what was not finite was written as null."""
    pairs = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    points = np.array(pairs, np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]


def _means(steps: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean of neighbours, each window moved on by one point."""
    window = max(steps.size // _WINDOWS, 2)
    kernel = np.full(window, 1 / window)
    return np.convolve(steps, kernel, "valid"), np.convolve(values, kernel, "valid")
