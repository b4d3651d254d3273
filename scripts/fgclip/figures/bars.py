"""What an evaluation measured, as bars with intervals: overall for each score, and by class."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scripts.fgclip.evaluation.metrics_file import MEASURES, SCORES, read_metrics
from scripts.fgclip.figures.shown_video import WORDS, judged_score
from scripts.shared import atomic_files
from scripts.shared.figures.style import FAILED, MADE, QUIET, drawable, house_style, say_instead, to_pdf, to_png

MEASURE_WORDS = {
    "auc": "AUC, all frames",
    "ap": "AP, all frames",
    "auc_anomalous": "AUC, frames of\nanomalous videos",
    "video_auc": "AUC of videos",
}
SCORE_COLORS = {"global": "#c3d5e8", "dense": "#7fa6d0", "mean": MADE}
_CLASS_COLORS = {"auc_alone": MADE, "auc_with_normals": "#c3d5e8"}
_CLASS_WORDS = {"auc_alone": "the class's videos alone", "auc_with_normals": "with all normal videos"}
ROC_CHANCE = 0.5
CHANCE: Mapping[str, Any] = {"color": FAILED, "linewidth": 1.4, "linestyle": (0, (3, 1.5))}
ORACLE: Mapping[str, Any] = {"color": QUIET, "linewidth": 1.4, "linestyle": (0, (1, 1.2))}


def draw_evaluation(*, metrics: Path, overall: Path, classes: Path, pdf: bool) -> None:
    """Draw what an evaluation measured.

    Args:
        metrics: `metrics.json`.
        overall: the picture of all measures, PNG.
        classes: the picture of the classes, PNG.
        pdf: draw both as PDF too, beside the PNG.

    Raises:
        JobError: `metrics.json` cannot be read.
    """
    said = read_metrics(metrics)
    for path, figure in ((overall, overall_figure(said)), (classes, classes_figure(said))):
        write_figure(path, figure, pdf=pdf)


def write_figure(path: Path, figure: Figure, *, pdf: bool) -> None:
    """Write a figure as PNG, and with `pdf` as PDF beside it."""
    atomic_files.write_bytes(path, to_png(figure))
    if pdf:
        atomic_files.write_bytes(path.with_suffix(".pdf"), to_pdf(figure))


def overall_figure(metrics: Mapping[str, Any]) -> Figure:
    """Draw each measure of each score, beside chance and a detector that knows each video's label and no more.

    Args:
        metrics: the content of `metrics.json`.
    """
    controls = metrics["controls"]
    with house_style():
        figure = Figure(figsize=(9, 4.9), layout="constrained")
        figure.suptitle(drawable(metrics["title"]), x=0.01, ha="left")
        axes = figure.add_subplot()
        for row, measure in enumerate(MEASURES):
            for place, score in enumerate(SCORES):
                at = row + 0.27 * (place - 1)
                _bar(axes, at, metrics["scores"][score], measure, SCORE_COLORS[score], thick=0.25)
            chance = controls["random"]["ap"] if measure == "ap" else ROC_CHANCE
            for value, style in ((chance, CHANCE), (controls["video_label_oracle"].get(measure), ORACLE)):
                if value is not None:
                    axes.plot([value] * 2, [row - 0.43, row + 0.43], **style)
        finish_rows(axes, [MEASURE_WORDS[measure] for measure in MEASURES])
        marks = [bar_mark(SCORE_COLORS[score], WORDS[score]) for score in SCORES]
        marks += [
            interval_mark(),
            Line2D([], [], label="chance", **CHANCE),
            Line2D([], [], label="knows the video's label alone", **ORACLE),
        ]
        figure.legend(handles=marks, loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    return figure


def classes_figure(metrics: Mapping[str, Any]) -> Figure:
    """Draw the AUC of each class of anomalies by the judged score; one of fewer than five videos has a star.

    Args:
        metrics: the content of `metrics.json`.
    """
    score = judged_score(metrics)
    classes: Mapping[str, Any] = metrics["scores"][score]["classes"]
    names = sorted(classes, key=lambda name: (-classes[name]["n_videos"], name))
    with house_style():
        figure = Figure(figsize=(9, 1.9 + 0.5 * max(len(names), 2)), layout="constrained")
        heading = f"{metrics['title']}: ROC-AUC of frames by class ({WORDS[score]})"
        figure.suptitle(drawable(heading), x=0.01, ha="left")
        axes = figure.add_subplot()
        if not names:
            say_instead(axes, "no anomalous video was scored")
            return figure
        for row, name in enumerate(names):
            for place, measure in enumerate(_CLASS_COLORS):
                _bar(axes, row + 0.38 * (place - 0.5), classes[name], measure, _CLASS_COLORS[measure], thick=0.36)
        axes.axvline(ROC_CHANCE, **CHANCE)
        finish_rows(axes, [_class_label(name, classes[name]) for name in names])
        marks = [bar_mark(color, _CLASS_WORDS[name]) for name, color in _CLASS_COLORS.items()]
        marks += [interval_mark(), Line2D([], [], label="chance", **CHANCE)]
        if any(one["few"] for one in classes.values()):
            marks.append(Line2D([], [], linestyle="", label="* fewer than five videos"))
        figure.legend(handles=marks, loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    return figure


def _class_label(name: str, said: Mapping[str, Any]) -> str:
    return drawable(name) + (" *" if said["few"] else "") + f" ({said['n_videos']})"


def _bar(axes: Axes, at: float, said: Mapping[str, Any], name: str, color: str, *, thick: float) -> None:
    """Draw a value with its interval, or say why there is none."""
    value = said[name]
    if value is None:
        reason = said["why_null"].get(name, "no value")
        axes.text(0.01, at, drawable(reason), va="center", fontsize=7.5, color=QUIET)
        return
    draw_value(axes, at, value, said.get(f"{name}_interval"), color, thick=thick)


def draw_value(axes: Axes, at: float, value: float, ends: Sequence[float] | None, color: str, *, thick: float) -> None:
    """Draw one bar with its number, and its interval where it has one.

    Args:
        axes: where to draw.
        at: its row.
        value: its length, 0 to 1.
        ends: of its interval.
        color: of the bar.
        thick: in rows.
    """
    low, high = ends or (value, value)
    # A resampled value of few videos may lie to one side of the measured one.
    error = [[max(0.0, value - low)], [max(0.0, high - value)]] if ends else None
    axes.barh(at, value, height=thick, color=color, xerr=error, ecolor=QUIET, capsize=2)
    axes.annotate(
        f"{value:.3f}",
        (max(value, high), at),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.4},  # lines may pass behind
    )


def finish_rows(axes: Axes, labels: Sequence[str]) -> None:
    """One row a label, the first on top, from 0 to 1."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 1.1)
    axes.set_xticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def bar_mark(color: str, words: str) -> Line2D:
    """What a legend shows of bars of a colour."""
    return Line2D([], [], color=color, linewidth=7, label=words)


def interval_mark() -> Line2D:
    """What a legend shows of intervals."""
    return Line2D([], [], color=QUIET, linewidth=1.5, label="95 % of resampled videos")
