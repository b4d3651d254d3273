"""All forms in one table: paired differences, controls, the guide's table of prompts, and pages that can be read."""

import csv
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.fgclip.evaluation import comparison
from scripts.fgclip.evaluation.comparison import COLUMNS, compare
from scripts.fgclip.scoring.score_files import read_scores
from scripts.shared.errors import JobError
from tests.unit.fgclip.evaluation.made import VIDEOS, Place, listed_videos

ABOUT = {"toy": {"captions": "translated & <checked>"}, "toy.init": {"captions": ""}}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two forms, one of which knows more, measured on the same videos."""
    made = Place(tmp_path, listed_videos(*VIDEOS))
    for form, knows in (("toy.init", 0.3), ("toy", 2.0)):
        made.put_all(form, knows=knows)
        made.evaluate(form, samples=50)
    return made


def compared(place: Place, forms: tuple[str, ...] = ("toy.init", "toy"), **options: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"about": ABOUT, "baseline": "toy.init"}
    return compare(
        metrics=[place.folder / "eval" / form / "metrics.json" for form in forms],
        scores_dir=place.folder / "scores",
        test=place.test,
        target=place.folder / "comparison",
        **(given | options),
    )


def row(content: dict[str, Any], model: str, score: str) -> dict[str, Any]:
    [found] = [one for one in content["rows"] if (one["model"], one.get("score")) == (model, score)]
    return dict(found)


def test_every_form_and_score_has_a_row_with_what_was_measured(place: Place) -> None:
    content = compared(place)
    said = json.loads((place.folder / "eval/toy/metrics.json").read_text())["scores"]["dense"]
    ours = row(content, "toy", "dense")
    assert (ours["kind"], ours["auc"], ours["ap"]) == ("measured", said["auc"], said["ap"])
    assert [ours["auc_low"], ours["auc_high"]] == said["auc_interval"]
    assert ours["captions"] == "translated & <checked>"
    models = [(one["kind"], one["model"]) for one in content["rows"]]
    assert models == [
        *[("measured", "toy.init")] * 3,
        *[("measured", "toy")] * 3,
        *[("control", "random"), ("control", "video label oracle")],
    ]


def test_differences_to_the_baseline_are_paired_by_resampling(place: Place) -> None:
    content = compared(place)
    ours, base = row(content, "toy", "global"), row(content, "toy.init", "global")
    assert ours["auc_minus_baseline"] == pytest.approx(ours["auc"] - base["auc"])
    drawn = [np.load(place.folder / f"eval/{form}/bootstrap.npz")["global.auc"] for form in ("toy", "toy.init")]
    low, high = np.percentile(drawn[0] - drawn[1], (2.5, 97.5))
    assert (ours["auc_minus_baseline_low"], ours["auc_minus_baseline_high"]) == pytest.approx((low, high))
    assert "auc_minus_baseline" not in base


def test_the_first_form_is_the_baseline_where_none_is_named(place: Place) -> None:
    assert compared(place, baseline="")["baseline"] == "toy.init"


@pytest.mark.parametrize("change", [{"samples": 20}, {"seed": 7, "samples": 50}])
def test_forms_of_other_resamplings_have_no_difference(
    place: Place, change: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    place.evaluate("toy", **change)
    with caplog.at_level(logging.WARNING):
        assert "baseline" not in row(compared(place), "toy", "global")
    assert "measured on other videos: no difference" in caplog.text


def test_a_baseline_that_is_not_compared_is_warned_of(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    assert "auc_minus_baseline" not in row(compared(place, baseline="other"), "toy", "global")
    assert "the baseline other is not among what is compared" in caplog.text


def test_the_csv_has_all_columns(place: Place) -> None:
    content = compared(place)
    rows = list(csv.DictReader((place.folder / "comparison/comparison.csv").open()))
    assert tuple(rows[0]) == (*COLUMNS, "captions")
    assert len(rows) == len(content["rows"])


def test_the_latex_table_has_a_line_a_row_and_escapes_its_texts(place: Place) -> None:
    compared(place)
    text = (place.folder / "comparison/comparison.tex").read_text()
    lines = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert len(lines) == 1 + 8
    assert len({line.count(" & ") for line in lines}) == 1
    assert r"translated \& <checked>" in text


def test_the_page_escapes_its_texts_and_says_what_cannot_be_compared(place: Place) -> None:
    compared(place)
    page = (place.folder / "comparison/comparison.html").read_text()
    assert "translated &amp; &lt;checked&gt;" in page
    assert "not directly comparable" in page
    assert "AP is the sum over steps of recall" in page
    assert "AUC gained is the difference to toy.init." in page
    assert page.count("<tr") == 1 + 8 + 1  # a heading above the controls


def test_missing_videos_stand_in_the_title(place: Place) -> None:
    (place.scores("toy") / "Flood1.npz").unlink()
    place.evaluate("toy", allow_missing=True)
    assert compared(place)["title"] == "made, 3 of 4 videos"


def test_published_figures_are_marked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"model": "Others 2020", "auc": 0.8, "ap": None, "note": "published, other protocol; a paper"}
    monkeypatch.setattr(comparison, "published_rows", lambda _: iter([told]))
    last = compared(place)["rows"][-1]
    assert last == {"kind": "published, other protocol", **told}
    for name in ("comparison.tex", "comparison.html"):
        text = (place.folder / "comparison" / name).read_text()
        assert 0 < text.index("published, other protocol") < text.index("Others 2020")


def test_the_guides_table_has_each_videos_vector_against_the_classes(place: Place) -> None:
    compared(place)
    rows = list(csv.DictReader((place.folder / "comparison/prompts.csv").open()))
    assert list(rows[0]) == ["video", "model", "Fire", "Flood", "Normal"]
    assert len(rows) == 2 * len(VIDEOS)
    logits = read_scores(place.scores("toy") / "Fire1.npz").video_logits
    found = next(one for one in rows if (one["video"], one["model"]) == ("Fire1", "toy"))
    assert float(found["Normal"]) == logits[-1]
    assert json.loads((place.folder / "comparison/prompts.json").read_text())[0]["video"] == "Fire1"


def test_resamplings_that_cannot_be_read_are_named(place: Place) -> None:
    (place.folder / "eval/toy/bootstrap.npz").write_bytes(b"PK")
    with pytest.raises(JobError, match=r"bootstrap\.npz: cannot be read .* remove it and metrics\.json and run again"):
        compared(place)
