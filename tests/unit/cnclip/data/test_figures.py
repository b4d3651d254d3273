"""The report's pictures of a dataset."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from scripts.cnclip.data.figures import (
    Sample,
    SplitFiles,
    choose_samples,
    draw_figures,
    overview_figure,
    samples_figure,
)
from scripts.cnclip.data.joining import SplitTables, join_checks
from tests.unit.cnclip.data.conftest import Tables, a_picture, jsonl_row, tsv_row

Maker = Callable[..., Tables]


def files(made: Tables) -> SplitFiles:
    return SplitFiles(made.tsv, made.pictures, made.texts)


def many(tables: Maker, split: str, n: int = 20, skip: int = -1) -> Tables:
    ids = [i for i in range(n) if i != skip]
    texts = b"".join(jsonl_row(i, f"a picture {i}", [i]) for i in ids)
    return tables(b"".join(tsv_row(i, a_picture(i)) for i in ids), texts, split=split)


def test_samples_are_drawn_from_all_splits_with_their_own_picture_and_captions(tables: Maker) -> None:
    splits = {split: files(many(tables, split)) for split in ("train", "test")}
    samples = choose_samples(splits, seed=1, n=7)
    assert [sample.split for sample in samples] == ["train"] * 4 + ["test"] * 3
    for sample in samples:
        assert sample.captions == (f"a picture {sample.image_id}",)
        own = Image.open(io.BytesIO(a_picture(sample.image_id))).getpixel((0, 0))
        assert sample.picture.getpixel((0, 0)) == own
    assert choose_samples(splits, seed=1, n=7) == samples
    assert choose_samples(splits, seed=2, n=7) != samples


def test_a_picture_that_is_taken_away_displaces_only_itself(tables: Maker, tmp_path: Path) -> None:
    before = choose_samples({"train": files(many(tables, "train"))}, seed=1, n=5)
    gone = before[2].image_id
    after = choose_samples({"train": files(many(tables, "valid", skip=gone))}, seed=1, n=5)
    ids = {sample.image_id for sample in before}
    assert ids - {sample.image_id for sample in after} == {gone}


@pytest.mark.filterwarnings("error")  # a glyph that is missing is a warning, and an empty box on the picture
def test_figures_are_drawn_alike_twice_and_not_for_other_data(tables: Maker, tmp_path: Path) -> None:
    made = {
        "train": tables(tsv_row(1, a_picture(1)) + tsv_row(2, b"junk"), jsonl_row(1, "中国 $x$ \U0001f600", [1])),
        "test": tables(tsv_row(1, a_picture(1)), jsonl_row(1, "古塔", []), split="test"),
    }
    join_checks(
        {split: SplitTables(one.pictures, one.rest) for split, one in made.items()},
        **{name: tmp_path / name for name in ("failures", "leakage", "summary")},
    )

    def drawn(seed: int, title: str) -> tuple[bytes, bytes]:
        outputs = {name: tmp_path / f"{name}.png" for name in ("samples", "overview")}
        splits = {split: files(one) for split, one in made.items()}
        draw_figures(splits, tmp_path / "summary", seed=seed, title=title, **outputs)
        return outputs["samples"].read_bytes(), outputs["overview"].read_bytes()

    once = drawn(1, "cnclip toy")
    assert drawn(1, "cnclip toy") == once
    assert all(one != other for one, other in zip(drawn(1, "cnclip other"), once, strict=True))


def test_the_overview_tells_counts_reasons_and_shared_pictures() -> None:
    kinds = {"pictures": {"ok": 1200, "failed": 34}, "texts": {"ok": 56, "failed": 0}}
    summary = {
        **{"ok": 1256, "failed": 34, "samples": 1290, "errors": {"bad_base64": 34}},
        **{"splits": {"train": kinds}, "leakage": {"train/test": {"pictures": 7, "examples": []}}},
    }
    figure = overview_figure(summary, ["train"], title="cnclip toy")
    held, failed, shared = figure.axes
    assert [text.get_text() for text in held.texts] == ["1,200 + 34", "56"]
    assert [label.get_text() for label in failed.get_yticklabels()] == ["bad_base64"]
    assert [text.get_text() for text in shared.texts] == ["train and test", "7"]


def test_without_a_good_picture_the_sheet_says_so() -> None:
    figure = samples_figure([], title="cnclip toy")
    assert "no picture is good" in [text.get_text() for axes in figure.axes for text in axes.texts]
    sample = Sample("train", 5, Image.new("RGB", (4, 4)), ("a",))
    assert "train  5" in [text.get_text() for text in samples_figure([sample], title="t").texts]
