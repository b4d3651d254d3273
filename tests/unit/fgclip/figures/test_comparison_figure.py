import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from scripts.fgclip.evaluation.comparison import compare
from scripts.fgclip.evaluation.published import OTHER_PROTOCOL
from scripts.fgclip.figures.comparison_figure import comparison_figure, draw_comparison
from scripts.shared.errors import JobError
from tests.unit.fgclip.figures.made import Made


@pytest.fixture
def table(made: Made, tmp_path: Path) -> dict[str, Any]:
    """The comparison of one form, as its rule writes it."""
    return compare(
        metrics=[made.metrics], about={}, baseline="", scores_dir=made.folder, test=made.test, target=tmp_path
    )


def labels(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_each_measure_has_a_panel_with_all_scores_of_a_model(table: dict[str, Any]) -> None:
    figure = comparison_figure(table)
    assert labels(figure) == ["run"]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["AUC, all frames", "AUC, frames of anomalous videos", "AP, all frames"]
    scores = {row["score"]: row for row in table["rows"] if row["kind"] == "measured"}
    for axes, measure in zip(figure.axes, ("auc", "auc_anomalous", "ap"), strict=True):
        bars = [bar.get_width() for bar in axes.patches]
        assert bars == [scores[score][measure] for score in ("global", "dense", "mean")]
        assert len([line for line in axes.lines if line.is_dashed()]) == 2


def test_published_figures_stand_below_and_are_named_as_such(table: dict[str, Any]) -> None:
    row = {"kind": OTHER_PROTOCOL, "model": "Somebody 2024", "auc": 0.8, "ap": None, "note": ""}
    figure = comparison_figure({**table, "rows": [*table["rows"], row]})
    assert labels(figure) == ["run", "Somebody 2024"]
    assert [len(axes.patches) for axes in figure.axes] == [4, 3, 3]
    (legend,) = figure.legends
    assert "published, other protocol" in [text.get_text() for text in legend.get_texts()]


def test_a_value_that_is_null_is_said(table: dict[str, Any]) -> None:
    rows = [{**row, "auc": None} if row["kind"] == "measured" else row for row in table["rows"]]
    figure = comparison_figure({**table, "rows": rows})
    assert [text.get_text() for text in figure.axes[0].texts if "no value" in text.get_text()] == ["no value"] * 3


def test_the_table_of_the_rule_becomes_a_picture(table: dict[str, Any], tmp_path: Path) -> None:
    assert table == json.loads((tmp_path / "comparison.json").read_bytes())
    draw_comparison(table=tmp_path / "comparison.json", output=tmp_path / "a.png", pdf=False)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "comparison.json").write_text("{")
    with pytest.raises(JobError, match="cannot be read"):
        draw_comparison(table=tmp_path / "comparison.json", output=tmp_path / "a.png", pdf=False)


def test_nothing_measured_is_said() -> None:
    figure = comparison_figure({"title": "t", "rows": []})
    assert [text.get_text() for text in figure.axes[0].texts] == ["nothing is measured"]
