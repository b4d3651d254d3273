from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from scripts.fgclip.evaluation.metrics_file import read_metrics
from scripts.fgclip.figures.bars import classes_figure, draw_evaluation, overall_figure
from tests.unit.fgclip.figures.made import Made


@pytest.fixture
def metrics(made: Made) -> dict[str, Any]:
    return dict(read_metrics(made.metrics))


def words(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in (*axes.texts, *axes.get_yticklabels())]


def dashed(figure: Figure) -> list[float]:
    return [round(float(line.get_xdata()[0]), 3) for line in figure.axes[0].lines if line.is_dashed()]


def test_each_measure_has_a_bar_a_score_and_the_lines_of_chance_and_oracle(metrics: dict[str, Any]) -> None:
    figure = overall_figure(metrics)
    widths = [round(bar.get_width(), 6) for bar in figure.axes[0].patches]
    measures = ("auc", "ap", "auc_anomalous", "video_auc")
    assert widths == [
        round(metrics["scores"][score][measure], 6) for measure in measures for score in ("global", "dense", "mean")
    ]
    prevalence = round(metrics["frames"]["prevalence"], 3)
    oracle = metrics["controls"]["video_label_oracle"]
    assert dashed(figure) == [
        *(0.5, round(oracle["auc"], 3)),
        *(prevalence, round(oracle["ap"], 3)),
        *(0.5, 0.5),
        0.5,
    ]


def test_a_class_of_few_videos_has_a_star_and_its_number_of_videos(metrics: dict[str, Any]) -> None:
    figure = classes_figure(metrics)
    assert "Abuse * (2)" in words(figure)
    (legend,) = figure.legends
    assert "* fewer than five videos" in [text.get_text() for text in legend.get_texts()]
    abuse = metrics["scores"]["mean"]["classes"]["Abuse"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [abuse["auc_alone"], abuse["auc_with_normals"]]
    assert dashed(figure) == [0.5]


def test_a_value_that_cannot_be_told_has_its_reason(metrics: dict[str, Any]) -> None:
    spoiled = {**metrics["scores"]["mean"], "auc": None, "why_null": {"auc": "frames of one kind only"}}
    figure = overall_figure({**metrics, "scores": {**metrics["scores"], "mean": spoiled}})
    assert "frames of one kind only" in words(figure)
    assert len(figure.axes[0].patches) == 11


def test_no_anomalous_video_is_said(metrics: dict[str, Any]) -> None:
    empty = {**metrics["scores"]["mean"], "classes": {}}
    figure = classes_figure({**metrics, "scores": {**metrics["scores"], "mean": empty}})
    assert "no anomalous video was scored" in words(figure)


def test_both_pictures_are_written_with_a_pdf_beside_each_where_wanted(made: Made, tmp_path: Path) -> None:
    overall, classes = tmp_path / "overall.png", tmp_path / "classes.png"
    draw_evaluation(metrics=made.metrics, overall=overall, classes=classes, pdf=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "classes.pdf",
        "classes.png",
        "overall.pdf",
        "overall.png",
    ]
    assert overall.read_bytes() != classes.read_bytes()
