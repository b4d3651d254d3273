"""Captions beside their translations: what is read, set aside and dealt out anew."""

from pathlib import Path
from typing import Any

import pytest

from scripts.cnclip.multilingual.parallel import ParallelCaptions, held_out, read_parallel, shuffled
from scripts.shared.errors import ConfigError, PlanningError
from tests.unit.cnclip.multilingual.conftest import write_rows


def captions(n: int) -> ParallelCaptions:
    return ParallelCaptions(tuple({"zh": f"{number}", "en": f"number {number}"} for number in range(n)))


def test_captions_of_two_and_three_languages_are_read_in_order(tmp_path: Path) -> None:
    write_rows(tmp_path / "p.jsonl", [{"en": " a cat ", "zh": "猫"}, {"zh": "马", "en": "a horse", "de": "ein Pferd"}])
    found = read_parallel(tmp_path / "p.jsonl")
    assert found.languages == ("zh", "de", "en")
    assert found.pairs == [
        (0, "zh", "猫"), (0, "en", "a cat"), (1, "zh", "马"), (1, "de", "ein Pferd"), (1, "en", "a horse"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"en": "a cat"}, "has no 'zh'"),
        ({"zh": "猫", "en": " "}, "'en' is ' ', not a caption"),
        ({"zh": "猫", "en": 3}, "'en' is '3', not a caption"),
        ({"zh": "猫", "../en": "a cat"}, "'../en' names no language"),
        (["猫"], "is no object"),
    ],
)
def test_a_line_that_cannot_be_used_is_left_out_and_the_others_stay(tmp_path: Path, row: Any, words: str) -> None:
    write_rows(tmp_path / "p.jsonl", [{"zh": "马", "en": "a horse"}, row, {"zh": "月亮", "en": "the moon"}])
    found = read_parallel(tmp_path / "p.jsonl")
    assert [one["zh"] for one in found.rows] == ["马", "月亮"]
    (skipped,) = found.skipped
    assert skipped.startswith("caption 2: ")
    assert words in skipped


def test_a_line_that_is_no_json_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"zh": "马", "en": "a horse"}\n{"zh": \n', encoding="utf-8")
    found = read_parallel(tmp_path / "p.jsonl")
    assert (len(found.rows), len(found.skipped)) == (1, 1)


def test_a_file_of_which_no_line_can_be_used_is_an_error_that_shows_one(tmp_path: Path) -> None:
    write_rows(tmp_path / "p.jsonl", [{"en": "a cat"}])
    with pytest.raises(ConfigError, match=r"no captions to learn from \(caption 1: has no 'zh'.*\); write a line such"):
        read_parallel(tmp_path / "p.jsonl")


def test_captions_without_any_translation_are_an_error(tmp_path: Path) -> None:
    write_rows(tmp_path / "p.jsonl", [{"zh": "猫"}])
    with pytest.raises(ConfigError, match="in zh alone; add translations"):
        read_parallel(tmp_path / "p.jsonl")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match=r"p\.jsonl"):
        read_parallel(tmp_path / "p.jsonl")


def test_a_tenth_is_set_aside_and_no_meaning_lies_on_both_sides() -> None:
    twice = ParallelCaptions(captions(200).rows + captions(200).rows)
    learned, aside = held_out(twice, seed=3)
    assert (len(learned.rows), len(aside.rows)) == (360, 40)
    assert {row["zh"] for row in learned.rows}.isdisjoint(row["zh"] for row in aside.rows)
    assert held_out(twice, seed=3) == (learned, aside)
    assert held_out(twice, seed=4)[1] != aside


def test_of_few_captions_none_is_set_aside() -> None:
    learned, aside = held_out(captions(99), seed=3)
    assert (learned, aside.rows) == (captions(99), ())


def test_shuffled_translations_keep_none_of_their_meanings() -> None:
    dealt = shuffled(captions(50), seed=1)
    assert sorted(row["zh"] for row in dealt.rows) == sorted(row["zh"] for row in captions(50).rows)
    assert [row["en"] for row in dealt.rows] == [row["en"] for row in captions(50).rows]
    assert not any(row["en"] == f"number {row['zh']}" for row in dealt.rows)
