"""What a translation must be."""

from pathlib import Path

import pytest

from scripts.fgclip.translation.gate import Gate
from scripts.fgclip.translation.table import Table, read_table
from scripts.shared.errors import ConfigError


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


def table_of(tmp_path: Path, text: str) -> Table:
    (tmp_path / "translations.tsv").write_text(text, encoding="utf-8")
    return read_table(tmp_path / "translations.tsv")


@pytest.mark.parametrize(
    ("english", "complaint"),
    [
        ("a man walks across the lawn", ""),
        ("  ", "the English is empty"),
        ("a man 走 across", "'a man 走 across' is not all English"),
        ("word " * 21, "21 words, of 20 at most; shorten"),
        ("word " * 20, ""),
        ("pneumonoultramicroscopicsilicovolcanoconiosis " * 9, "tokens, of which CLIP reads 77; shorten"),
    ],
)
def test_a_translation_is_one_short_english_sentence(gate: Gate, english: str, complaint: str) -> None:
    assert complaint in gate.complaint(english)
    assert bool(gate.complaint(english)) == bool(complaint)


def test_every_row_that_cannot_be_used_is_named_with_its_line(gate: Gate, tmp_path: Path) -> None:
    table = table_of(tmp_path, "一名男子\ta man\n女子\t\n孩子\ta 孩子\n")
    with pytest.raises(ConfigError, match=r"translations\.tsv: line 2: the English is empty; line 3: 'a 孩子' is not"):
        gate.check_table(table)


def test_two_chinese_texts_with_one_english_are_refused_unless_listed(gate: Gate, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"lines 1 and 2: two Chinese texts and one English, 'A man'; tell them apart"
    ):
        gate.check_table(table_of(tmp_path, "一名男子\ta man\n一个男人\tA man\n"))
    gate.check_table(table_of(tmp_path, "一名男子\ta man\n一个男人\tA man\tsame\n"))


def test_a_caption_that_its_beginning_makes_too_long_is_refused(gate: Gate, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="of which CLIP reads 77; shorten its translation"):
        gate.check_captions(table_of(tmp_path, ""), ["fine", "a " * 90])
