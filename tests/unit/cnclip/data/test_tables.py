"""The tables of a split: every check of ids across pictures and texts, and nothing lost without a row."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.cnclip.data.picture_list import read_pictures, read_sha1
from scripts.cnclip.data.tables import make_tables
from scripts.cnclip.data.texts import Text, read_good_texts
from scripts.shared.errors import JobError
from tests.unit.cnclip.data.conftest import Tables, a_picture, jsonl_row, tsv_row

Maker = Callable[..., Tables]


def rest(tables: Tables) -> tuple[dict[str, Any], list[list[str]]]:
    held = json.loads(tables.rest.read_text(encoding="utf-8"))
    return held["facts"], held["failures"]


def test_good_data_is_listed_in_file_order(tables: Maker) -> None:
    made = tables(
        b"".join(tsv_row(i, a_picture(i)) for i in (30, 4, 1000)),
        jsonl_row(2, "二", [4, 30]) + jsonl_row(1, "一", [1000]) + jsonl_row(3, "藏", []),
        n_shards=2,
    )
    assert read_pictures(made.pictures).image_ids.tolist() == [30, 4, 1000]
    assert list(read_good_texts(made.texts)) == [Text(2, "二", (4, 30)), Text(1, "一", (1000,)), Text(3, "藏", ())]
    facts, failures = rest(made)
    assert failures == []
    assert (facts["pairs"], facts["pictures"]["ok"], facts["texts"]) == (
        *(3, 3),
        {"ok": 3, "failed": 0, "without_pictures": 1},
    )


def test_everything_that_is_wrong_has_a_row_with_key_place_class_and_words(tables: Maker) -> None:
    first, second = tsv_row(1, a_picture(1)), tsv_row(2, b"junk")
    made = tables(
        first + second + tsv_row(1, a_picture(9)) + b"x\tYWJj\n",
        b"".join(
            [
                jsonl_row(1, "good, and one picture of it is nowhere", [1, 77]),
                jsonl_row(1, "again", [1]),
                jsonl_row(2, "of a bad picture", [2]),
                jsonl_row(3, "of no picture", [77, 78]),
                jsonl_row(4, "", [1]),
                jsonl_row("5", "five", [1]),
            ]
        ),
    )
    assert read_pictures(made.pictures).image_ids.tolist() == [1]
    assert list(read_good_texts(made.texts)) == [Text(1, "good, and one picture of it is nowhere", (1,))]
    facts, failures = rest(made)
    at_third = len(first) + len(second)
    assert [row[:3] for row in failures] == [
        ["train image 2", f"train_imgs.tsv: byte {len(first)}", "no_picture"],
        ["train image 1", f"train_imgs.tsv: byte {at_third}", "duplicate_id"],
        ["train image without id", f"train_imgs.tsv: byte {at_third + len(first)}", "bad_id"],
        ["train text 1", "train_texts.jsonl: line 2", "duplicate_id"],
        ["train text 2", "train_texts.jsonl: line 3", "no_good_picture"],
        ["train text 3", "train_texts.jsonl: line 4", "dangling_id"],
        ["train text 4", "train_texts.jsonl: line 5", "empty_text"],
        ["train text without id", "train_texts.jsonl: line 6", "bad_id"],
        ["train text 1 image 77", "train_texts.jsonl: line 1", "dangling_id"],
    ]
    assert "stands at byte 0 already" in failures[1][3]
    assert "no picture has the id 77, 78" in failures[5][3]
    assert (facts["pictures"]["failed"], facts["texts"]["failed"], facts["dangling_pairs"]) == (3, 5, 1)
    assert facts["errors"] == {
        **{"bad_id": 2, "duplicate_id": 2, "dangling_id": 1, "empty_text": 1, "no_good_picture": 1, "no_picture": 1}
    }


def test_the_first_good_picture_of_an_id_is_the_one_that_is_used(tables: Maker) -> None:
    good = a_picture(3)
    made = tables(tsv_row(5, b"junk") + tsv_row(5, good), jsonl_row(1, "a", [5]))
    assert read_pictures(made.pictures).offsets.tolist() == [len(tsv_row(5, b"junk"))]
    assert list(read_good_texts(made.texts)) == [Text(1, "a", (5,))]


def test_odd_kinds_of_pictures_a_mark_and_a_small_gallery_are_noted(tables: Maker) -> None:
    gif = a_picture(1, "GIF")
    made = tables(tsv_row(1, gif) + tsv_row(2, a_picture(2)), b"\xef\xbb\xbf" + jsonl_row(1, "a", [1]))
    facts, _ = rest(made)
    assert facts["pictures"]["formats"] == {"GIF": 1, "PNG": 1}
    assert [note for note in facts["notes"] if "byte order mark" in note]
    assert [note for note in facts["notes"] if note.startswith("2 pictures; official predictions list ten")]


def test_an_empty_split_is_no_error(tables: Maker) -> None:
    made = tables(b"", b"")
    assert read_pictures(made.pictures).image_ids.shape == (0,)
    assert read_sha1(made.pictures).shape == (0, 20)
    assert rest(made)[0]["pictures"]["ok"] == 0


def test_the_digest_tells_another_picture_another_text_and_nothing_else(tables: Maker, tmp_path: Path) -> None:
    def digest(name: str, data: bytes, text: str) -> str:
        made = tables(tsv_row(1, data), jsonl_row(1, text, [1]), split=name)
        found: str = rest(made)[0]["digest"]
        return found

    same = digest("train", a_picture(1), "一")
    assert digest("valid", a_picture(1), "一") == same
    assert digest("test", a_picture(2), "一") != same
    (tmp_path / "train").rename(tmp_path / "done")
    assert digest("train", a_picture(1), "二") != same


@pytest.mark.parametrize("kept", [0, 1, 2, 2.5, 3])
def test_a_receipt_cut_off_anywhere_is_named(kept: float, tmp_path: Path, tables: Maker) -> None:
    tables(b"".join(tsv_row(i, a_picture(i)) for i in range(3)), b"")
    receipt = tmp_path / "train" / "0.jsonl"
    lines = receipt.read_bytes().splitlines(keepends=True)
    receipt.write_bytes(b"".join(lines[: int(kept)]) + lines[int(kept)][: int(kept % 1 * 20)])
    outputs = {name: tmp_path / name for name in ("good_pictures", "good_texts", "rest")}
    with pytest.raises(JobError, match=r"0.jsonl: damaged, or of another version; remove it and run again"):
        make_tables([receipt], tmp_path / "none.jsonl", split="train", **outputs)
    assert not any(path.exists() for path in outputs.values())
