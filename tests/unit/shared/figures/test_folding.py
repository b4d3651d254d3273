"""Texts folded to a width."""

import pytest

from scripts.shared.figures import folding
from scripts.shared.figures.folding import folded


@pytest.fixture(autouse=True)
def fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "drawable", lambda text: text.replace("\U000e0041", "\\U000e0041"))


def test_a_chinese_letter_takes_the_room_of_two() -> None:
    assert folded(["红色的杯子"], width=6, n_lines=5) == ["红色的", "杯子"]
    assert folded(["a red  cup"], width=6, n_lines=5) == ["a red ", "cup"]


def test_the_last_line_says_where_more_follows_and_is_no_wider() -> None:
    assert folded(["红色的杯子在桌上"], width=6, n_lines=2) == ["红色的", "杯..."]
    assert folded(["one", "two", "three"], width=6, n_lines=2) == ["one", "two..."]


def test_each_text_begins_a_line() -> None:
    assert folded(["one", "two"], width=30, n_lines=4) == ["one", "two"]
    assert folded([], width=30, n_lines=4) == []


def test_what_no_font_has_is_folded_as_its_escape() -> None:
    assert folded(["\U000e0041"], width=5, n_lines=4) == ["\\U000", "e0041"]
