import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.pose.figures.writing import title_of, written

ODD = {
    "nothing": "",
    "blanks": "   ",
    "dollars": "costs $5 and $6^2$",
    "one dollar": "$\\frac{",
    "emoji": "waves \U0001f44b\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "right to left": "\u202ea person\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627\u200f",
    "control characters": "a\x00b\x1b[31mc\nd\te\r\x7f",
    "Chinese": "一个人向前走",
    "half a character": "a \ud83d b",
    "combining": "e" + "\u0301" * 40,
    "no character": "\uffff \U0010ffff \ue000",
}


def line(text: str, points: float = 14) -> NDArray[np.uint8]:
    return written(text, width=600, height=60, dpi=100, points=points)


def inked(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """First and last column that is not white."""
    columns = np.nonzero((picture < 255).any(axis=(0, 2)))[0]
    return int(columns[0]), int(columns[-1])


@pytest.mark.parametrize(("length", "shown"), [(49, "x" * 49), (50, "x" * 47 + "..."), (5_000, "x" * 47 + "...")])
def test_captions_of_fifty_characters_and_more_end_in_dots_after_47(length: int, shown: str) -> None:
    assert title_of("x" * length) == shown


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ODD)
def test_any_text_can_be_written_and_the_next_one_is_as_ever(name: str) -> None:
    before = line("A person walks")
    picture = line(ODD[name])
    assert picture.shape == (60, 600, 3)
    assert (picture < 255).any() == bool(ODD[name].strip())
    np.testing.assert_array_equal(line("A person walks"), before)


def test_dollars_are_no_formula() -> None:
    first, last = inked(line("$x$"))
    first_without, last_without = inked(line("x"))
    assert last - first > 2 * (last_without - first_without)


@pytest.mark.parametrize("text", ["W" * 50, "\U0001f44b" * 49, "l" * 300], ids=["W", "emoji", "l"])
def test_a_long_text_is_written_smaller_and_whole(text: str) -> None:
    first, last = inked(line(text))
    assert first >= 2
    assert last <= 597
    assert last - first > 560


def test_a_short_text_is_in_the_middle_and_as_large_as_asked() -> None:
    first, last = inked(line("A person walks"))
    assert abs(first + last - 599) <= 4
    larger_first, larger_last = inked(line("A person walks", points=28))
    assert 1.9 < (larger_last - larger_first) / (last - first) < 2.1


def test_a_text_without_end_is_cut_off_by_the_edges() -> None:
    assert (line("W" * 5_000) < 255).any()
