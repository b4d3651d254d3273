"""Recall by language, and its picture."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.cnclip.evaluation.gates import RefusedModelError
from scripts.cnclip.multilingual.by_language import Queries, by_language, languages_figure, write_languages_figure
from scripts.shared.figures.style import to_png

GALLERY = np.eye(20, dtype=np.float32)
IDS = list(range(100, 120))
RIGHT = [[number] for number in IDS]


def test_a_language_that_is_understood_and_one_that_is_not_differ() -> None:
    found = by_language(
        IDS, GALLERY, {"zh": Queries(GALLERY, RIGHT), "en": Queries(np.roll(GALLERY, 1, axis=1), RIGHT)}
    )
    assert (found["zh"]["r1"], found["zh"]["mean_recall"], found["zh"]["queries"]) == (100.0, 100.0, 20)
    assert found["en"]["r1"] == 0.0
    assert found["en"]["chance_r1"] == found["zh"]["chance_r1"] == pytest.approx(5.0)
    assert found["en"]["chance_r10"] == pytest.approx(50.0)


def test_a_query_with_two_right_pictures_is_answered_by_either() -> None:
    found = by_language(IDS, GALLERY, {"en": Queries(GALLERY[:1], [[119, 100]])})
    assert found["en"]["r1"] == 100.0
    assert found["en"]["chance_r1"] == pytest.approx(10.0)


def test_features_that_are_no_numbers_are_refused_and_the_language_is_named() -> None:
    broken = np.full_like(GALLERY, np.nan)
    with pytest.raises(RefusedModelError, match=r"text features \(en\)"):
        by_language(IDS, GALLERY, {"zh": Queries(GALLERY, RIGHT), "en": Queries(broken, RIGHT)})


def test_the_picture_has_chinese_first_and_equal_input_gives_equal_bytes() -> None:
    found = by_language(IDS, GALLERY, {"en": Queries(GALLERY, RIGHT), "zh": Queries(GALLERY, RIGHT)})
    figure = languages_figure(found, title="a model")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["zh (20)", "en (20)"]
    again = languages_figure(found, title="a model")
    assert to_png(figure) == to_png(again)


def test_of_a_model_that_was_refused_the_picture_says_that_nothing_was_scored() -> None:
    (axes,) = languages_figure({}, title="a model").axes
    assert [text.get_text() for text in axes.texts] == ["nothing was scored"]


def test_the_picture_of_an_evaluation_is_drawn_from_its_metrics(tmp_path: Path) -> None:
    recall = {"r1": 44.2, "r5": 84.2, "r10": 92.6, "mean_recall": 73.7}
    one = {"t2i": {"n_queries": 95, "recall": recall, "chance": {"r1": 1.05}}}
    metrics = {"model": "kl", "dataset": "demo", "split": "test", "directions": one, "languages": {"en": one}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    write_languages_figure(tmp_path / "metrics.json", tmp_path / "languages.png")
    with Image.open(BytesIO((tmp_path / "languages.png").read_bytes())) as picture:
        assert min(picture.size) > 200


def test_a_long_title_stays_within_the_picture() -> None:
    found = by_language(IDS, GALLERY, {"zh": Queries(GALLERY, RIGHT)})
    title = "a_run_with_a_long_name on demo_products, valid: text to image by language"
    figure = languages_figure(found, title=title)
    figure.canvas.draw()
    (axes,) = figure.axes
    drawn = axes._left_title.get_window_extent()  # type: ignore[attr-defined]
    assert drawn.x1 < figure.bbox.x1
    assert drawn.y1 < figure.bbox.y1
