"""Example pictures with their captions."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.cnclip.data.texts import Text, text_row
from scripts.cnclip.demo.examples import Split, write_examples
from scripts.shared.errors import ConfigError, JobError
from tests.unit.cnclip.demo.conftest import picture


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()]


def test_pictures_are_the_files_of_the_data_set_with_their_own_captions(split: Split, tmp_path: Path) -> None:
    assert write_examples(split, tmp_path, n=20, seed=1) == ["zh", "en"]
    assert rows(tmp_path) == [
        {"picture": "0.jpg", "zh": "第0张图片", "en": "picture number 500"},
        {"picture": "2.jpg", "zh": "第1张图片", "en": "picture number 501"},
        {"picture": "4.jpg", "zh": "第2张图片", "en": "picture number 502"},
        {"picture": "6.jpg", "zh": "第3张图片", "en": "picture number 503"},
        {"picture": "8.jpg", "zh": "第4张图片", "en": "picture number 504"},
        {"picture": "9.png", "zh": "最后", "en": "picture number 602"},
    ]
    assert (tmp_path / "4.jpg").read_bytes() == picture(4, "JPEG")
    assert (tmp_path / "9.png").read_bytes() == picture(9, "PNG")


def test_another_seed_chooses_others_and_no_more_than_asked_for(split: Split, tmp_path: Path) -> None:
    chosen = []
    for seed in range(6):
        (tmp_path / str(seed)).mkdir()
        write_examples(split, tmp_path / str(seed), n=2, seed=seed)
        chosen.append(tuple(row["picture"] for row in rows(tmp_path / str(seed))))
    assert {len(names) for names in chosen} == {2}
    assert len(set(chosen)) > 1


def test_two_texts_of_one_picture_are_not_both_examples(split: Split, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(text_row(Text(i, f"文{i}", (3,))) for i in range(5)), encoding="utf-8")
    write_examples(replace(split, texts=texts, translations={}), tmp_path, n=20, seed=1)
    assert [row["picture"] for row in rows(tmp_path)] == ["3.jpg"]


def test_a_split_whose_answers_are_hidden_has_nothing_to_show(split: Split, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text(text_row(Text(1, "没有图片", ())), encoding="utf-8")
    with pytest.raises(ConfigError, match="no text names a picture of test_imgs"):
        write_examples(replace(split, texts=texts, translations={}), tmp_path, n=20, seed=1)


def test_a_file_that_was_changed_after_its_check_is_an_error(split: Split, tmp_path: Path) -> None:
    tsv = tmp_path / "other.tsv"
    tsv.write_bytes(b"x" + split.tsv.read_bytes())
    with pytest.raises(JobError, match="changed since its check"):
        write_examples(replace(split, tsv=tsv), tmp_path, n=20, seed=1)
