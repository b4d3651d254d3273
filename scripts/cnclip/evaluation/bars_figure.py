"""Recall and accuracy of all models as bars with intervals, and the line that chance would reach."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.cnclip.evaluation.prediction_files import DIRECTIONS, FIELDS
from scripts.shared.figures.style import FAILED, MADE, QUIET, drawable, house_style, say_instead

_COLORS = {"r1": MADE, "r5": "#7fa6d0", "r10": "#c3d5e8"}
_NAMES = {"r1": "recall at 1", "r5": "recall at 5", "r10": "recall at 10"}
_CHANCE = {"color": FAILED, "linewidth": 1.4, "linestyle": (0, (3, 1.5))}

Row = Mapping[str, Any]


def recall_figure(rows: Sequence[Row], *, title: str) -> Figure:
    """Draw the measured rows of the comparison: a panel a data set, language and direction.

    Args:
        rows: `retrieval` of `comparison.compare`.
        title: of the figure.
    """
    measured = [row for row in rows if row["source"] == "measured"]
    sets = list(dict.fromkeys((row["dataset"], row["language"]) for row in measured))
    directions = [one for one in DIRECTIONS if any(row["direction"] == one for row in measured)] or DIRECTIONS[:1]
    models = max([1, *(len(_of(measured, *one, direction)) for one in sets for direction in directions)])
    with house_style():
        height = 1.4 + max(1, len(sets)) * (0.9 + 0.52 * models)
        figure = Figure(figsize=(3.5 + 4.6 * len(directions), height), layout="constrained")
        figure.suptitle(drawable(title), x=0.01, ha="left")
        if not measured:
            say_instead(figure.add_subplot(), "nothing is measured")
            return figure
        panels = figure.subplots(len(sets), len(directions), squeeze=False, sharex=True)
        for across, (dataset, language) in zip(panels, sets, strict=True):
            for axes, direction in zip(across, directions, strict=True):
                rows = _of(measured, dataset, language, direction)
                if any(not row.get("refused") for row in rows) or not language:
                    texts = f", texts in {language}" if language else ""
                    _draw_recall(axes, rows, title=f"{dataset}{texts}, {FIELDS[direction].words}")
                else:
                    axes.set_axis_off()
        _legend(figure, [(_COLORS[name], words) for name, words in _NAMES.items()])
    return figure


def accuracy_figure(rows: Sequence[Row], *, title: str) -> Figure:
    """Draw the accuracy of classification without training: a panel a set.

    Args:
        rows: `zeroshot` of `comparison.compare`.
        title: of the figure.
    """
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    models = max([1, *(sum(row["dataset"] == dataset for row in rows) for dataset in datasets)])
    with house_style():
        height = 1.4 + max(1, len(datasets)) * (0.8 + 0.34 * models)
        figure = Figure(figsize=(8.1, height), layout="constrained")
        figure.suptitle(drawable(title), x=0.01, ha="left")
        if not rows:
            say_instead(figure.add_subplot(), "nothing is measured: the configuration names no zeroshot set")
            return figure
        for axes, dataset in zip(figure.subplots(len(datasets), 1, squeeze=False)[:, 0], datasets, strict=True):
            here = [row for row in rows if row["dataset"] == dataset]
            _draw_group(axes, here, ("top1",), {"top1": MADE}, 0.7)
            chance = here[0]["chance"]
            axes.axvline(chance, **_CHANCE)
            axes.set_title(drawable(f"{dataset}: {here[0]['n_classes']:,} classes, {here[0]['n_pictures']:,} pictures"))
            axes.set_xlabel("pictures named rightly (top-1), %")
        _legend(figure, [(MADE, "accuracy")])
    return figure


def _of(rows: Sequence[Row], dataset: str, language: str, direction: str) -> list[Row]:
    """Rows of a panel; a refused model stands in each."""
    here = [row for row in rows if row["dataset"] == dataset]
    return [row for row in here if row.get("refused") or (row["language"], row["direction"]) == (language, direction)]


def _draw_recall(axes: Axes, rows: Sequence[Row], *, title: str) -> None:
    _draw_group(axes, rows, tuple(_COLORS), _COLORS, 0.27)
    for number, row in enumerate(rows):
        for place, name in enumerate(_COLORS):
            if not row.get("refused"):
                middle = number + 0.27 * (place - 1)
                axes.plot([row[f"{name}_chance"]] * 2, [middle - 0.135, middle + 0.135], **_CHANCE)  # type: ignore[arg-type]
    asked = next((row for row in rows if not row.get("refused")), None)
    counts = f" ({asked['n_queries']:,} asked, {asked['n_gallery']:,} to choose from)" if asked else ""
    axes.set_title(drawable(title + counts), fontsize=10)
    axes.set_xlabel("queries answered rightly, %")


def _draw_group(axes: Axes, rows: Sequence[Row], names: Sequence[str], colors: Mapping[str, str], thick: float) -> None:
    """Bars of one or more measures a model, the first model on top, with intervals of 95 %."""
    for number, row in enumerate(rows):
        if row.get("refused"):
            behind = {"facecolor": "white", "edgecolor": "none", "pad": 2}
            axes.text(1, number, "refused: no score is made", va="center", color=FAILED, fontsize=9, bbox=behind)
            continue
        for place, name in enumerate(names):
            at = number + thick * (place - (len(names) - 1) / 2)
            value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
            # A resampled mean of few queries may lie to one side of the measured one.
            error = [[max(0.0, value - low)], [max(0.0, high - value)]]
            axes.barh(at, value, height=0.92 * thick, color=colors[name], xerr=error, ecolor=QUIET, capsize=2)
            axes.annotate(
                f"{value:.1f}",
                (max(value, high), at),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    axes.set_yticks(range(len(rows)), [_named(row) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 112)
    axes.set_xticks(range(0, 101, 20))
    axes.tick_params(labelbottom=True)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _named(row: Row) -> str:
    return drawable(row["model"]) + f"\n{row['seen']}"


def _legend(figure: Figure, colors: Sequence[tuple[str, str]]) -> None:
    marks = [Line2D([], [], color=color, linewidth=7, label=words) for color, words in colors]
    marks += [
        Line2D([], [], color=QUIET, linewidth=1.5, label="95 % of resampled queries"),
        Line2D([], [], label="chance", **_CHANCE),  # type: ignore[arg-type]
    ]
    figure.legend(handles=marks, loc="outside lower left", ncols=len(marks), frameon=False, fontsize=9)
