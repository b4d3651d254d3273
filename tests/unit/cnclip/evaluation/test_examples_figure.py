from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from scripts.cnclip.evaluation.examples_figure import draw_examples, examples_figure
from tests.unit.cnclip.evaluation.made import colours, make_features, write_dataset
from tests.unit.cnclip.evaluation.test_evaluate import run

PICTURES = {number: Image.new("RGB", (20, 10 + number), (number * 40, 0, 0)) for number in range(6)}
TEXT = {"direction": "t2i", "query": 17, "found": [1, 2, 3], "right": [False, True, False], "texts": ["red"]}
PICTURE = {"direction": "i2t", "query": 4, "found": [8, 9], "right": [True, False], "texts": ["dark red", "blue"]}


def framed(figure: Figure) -> list[bool]:
    return [axes.spines["left"].get_linewidth() > 2 for axes in figure.axes]


def test_right_pictures_are_framed() -> None:
    figure = examples_figure([TEXT], PICTURES, title="t")
    assert framed(figure) == [False, True, False]


def test_a_picture_is_shown_with_the_texts_found() -> None:
    figure = examples_figure([PICTURE], PICTURES, title="t")
    assert framed(figure) == [False]
    drawn = {text.get_text(): text.get_color() for text in figure.texts}
    assert drawn["1: dark red  \N{CHECK MARK}"] != drawn["2: blue"]


def test_a_refused_model_shows_why() -> None:
    figure = examples_figure([], {}, title="t", refused="the model has collapsed")
    assert figure.axes[0].texts[0].get_text() == "the model has collapsed"


def test_the_examples_of_an_evaluation_become_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_dataset(tmp_path, colours(12), [(1, "红", [1]), (2, "绿", [2])])
    run(make_features(monkeypatch, tmp_path), tmp_path / "out", tmp_path / "x_texts.jsonl")
    out = tmp_path / "examples.png"
    draw_examples(
        metrics=tmp_path / "out" / "metrics.json",
        tsv=tmp_path / "x_imgs.tsv",
        pictures=tmp_path / "x_pictures.npz",
        output=out,
    )
    with Image.open(out) as picture:
        assert picture.size[0] > 900
