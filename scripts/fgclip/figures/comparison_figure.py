"""All forms of models on one dataset side by side, with the controls and what others publish."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.fgclip.evaluation.comparison import CONTROL, MEASURED
from scripts.fgclip.evaluation.metrics_file import SCORES
from scripts.fgclip.evaluation.published import OTHER_PROTOCOL
from scripts.fgclip.figures.bars import (
    CHANCE,
    MEASURE_WORDS,
    ORACLE,
    SCORE_COLORS,
    bar_mark,
    draw_value,
    finish_rows,
    interval_mark,
    write_figure,
)
from scripts.fgclip.figures.shown_video import WORDS
from scripts.shared.errors import JobError
from scripts.shared.figures.style import QUIET, drawable, house_style, say_instead

_MEASURES = ("auc", "auc_anomalous", "ap")
_CONTROL_STYLES = {"random": CHANCE, "video label oracle": ORACLE}
_PUBLISHED = "#d5dade"
_THICK = 0.27

Row = Mapping[str, Any]


def draw_comparison(*, table: Path, output: Path, pdf: bool) -> None:
    """Draw the comparison of a dataset's forms.

    Args:
        table: `comparison.json`.
        output: the picture, PNG.
        pdf: draw it as PDF too, beside the PNG.

    Raises:
        JobError: the table cannot be read.
    """
    try:
        said = json.loads(table.read_bytes())
    except (OSError, ValueError) as error:
        raise JobError(f"{table}: cannot be read ({error}); remove it and run again") from error
    write_figure(output, comparison_figure(said), pdf=pdf)


def comparison_figure(said: Mapping[str, Any]) -> Figure:
    """Draw a panel a measure and a row a model: measured ones above, published ones below.

    Args:
        said: the content of `comparison.json`.
    """
    rows: Sequence[Row] = said["rows"]
    measured = list(dict.fromkeys(row["model"] for row in rows if row["kind"] == MEASURED))
    published = [row for row in rows if row["kind"] == OTHER_PROTOCOL]
    labels = [drawable(name) for name in (*measured, *(row["model"] for row in published))]
    with house_style():
        figure = Figure(figsize=(15, 1.8 + 0.62 * max(len(measured), 2) + 0.3 * len(published)), layout="constrained")
        figure.suptitle(drawable(said["title"]), x=0.01, ha="left")
        if not measured:
            say_instead(figure.add_subplot(), "nothing is measured")
            return figure
        panels = figure.subplots(1, len(_MEASURES), sharey=True)
        for axes, measure in zip(panels, _MEASURES, strict=True):
            _draw_measured(axes, [row for row in rows if row["kind"] == MEASURED], measured, measure)
            _draw_published(axes, published, len(measured), measure)
            _draw_controls(axes, rows, measure, len(measured))
            finish_rows(axes, labels)
            axes.set_title(MEASURE_WORDS[measure].replace("\n", " "))
        marks = [bar_mark(SCORE_COLORS[score], WORDS[score]) for score in SCORES]
        marks += [bar_mark(_PUBLISHED, OTHER_PROTOCOL)] if published else []
        marks += [
            interval_mark(),
            Line2D([], [], label="chance", **CHANCE),
            Line2D([], [], label="knows the video's label alone", **ORACLE),
        ]
        figure.legend(handles=marks, loc="outside lower left", ncols=len(marks), frameon=False, fontsize=9)
    return figure


def _draw_measured(axes: Axes, rows: Sequence[Row], models: Sequence[str], measure: str) -> None:
    for row in rows:
        at = models.index(row["model"]) + _THICK * (SCORES.index(row["score"]) - 1)
        value = row[measure]
        if value is None:
            axes.text(0.01, at, "no value", va="center", fontsize=7.5, color=QUIET)
            continue
        low, high = row[f"{measure}_low"], row[f"{measure}_high"]
        ends = None if low is None else (low, high)
        draw_value(axes, at, value, ends, SCORE_COLORS[row["score"]], thick=0.92 * _THICK)


def _draw_published(axes: Axes, rows: Sequence[Row], first: int, measure: str) -> None:
    for number, row in enumerate(rows, first):
        if (value := row.get(measure)) is not None:
            draw_value(axes, number, value, None, _PUBLISHED, thick=0.6)


def _draw_controls(axes: Axes, rows: Sequence[Row], measure: str, n_measured: int) -> None:
    """Lines across the measured models."""
    for row in rows:
        value = row.get(measure)
        if row["kind"] == CONTROL and value is not None:
            axes.plot([value] * 2, [-0.5, n_measured - 0.5], **_CONTROL_STYLES[row["model"]])
