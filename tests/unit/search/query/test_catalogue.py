"""The columns of an index in memory."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.search.query import catalogue as module
from scripts.search.query.catalogue import PathColumn
from tests.unit.search.query.made import catalogue, unit

_NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=8)


@given(st.sets(_NAMES, max_size=12), _NAMES)
def test_paths_come_back_and_are_found(paths: set[str], other: str) -> None:
    ordered = sorted(paths, key=str.encode)
    column = PathColumn(iter(ordered))
    assert [column[rank] for rank in range(len(column))] == ordered
    assert [column.find(path) for path in ordered] == list(range(len(ordered)))
    assert (column.find(other) is not None) == (other in paths)


@given(st.sets(_NAMES, max_size=12), _NAMES)
def test_a_text_is_found_in_just_the_paths_that_hold_it(paths: set[str], text: str) -> None:
    ordered = sorted(paths, key=str.encode)
    column = PathColumn(iter(ordered))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PATHS_AT_ONCE", 5)
        found = column.containing(text).tolist()
    expected = [rank for rank, path in enumerate(ordered) if text.casefold() in path.casefold()]
    assert found == column.containing(text).tolist() == expected


def test_a_text_is_not_found_across_two_paths() -> None:
    column = PathColumn(iter(["ab", "cd"]))
    assert column.containing("bc").tolist() == []
    assert column.containing("b\0c").tolist() == []
    assert column.containing("").tolist() == [0, 1]


@pytest.mark.parametrize(("time", "row"), [(None, 0), (0.9, 0), (1.1, 1), (99.0, 2)])
def test_the_nearest_frame_of_a_video_is_found(tmp_path: Path, time: float | None, row: int) -> None:
    made = catalogue(tmp_path, {"a": unit((1, 0, 0)), "v.mp4": unit((1, 0, 0), (0, 1, 0), (0, 0, 1))})
    number = made.number_of_path("f/v.mp4")
    assert number is not None
    assert made.nearest_row(number, time) == made.rows(number).start + row


def test_an_asset_is_found_by_its_id_and_its_path(tmp_path: Path) -> None:
    made = catalogue(tmp_path, {"b": unit((1, 0, 0)), "a": unit((0, 1, 0))})
    assert [made.path(number) for number in range(2)] == ["f/b", "f/a"]
    assert made.number_of_path("f/a") == made.number_of_id(int(made.ids[1])) == 1
    assert made.number_of_path("f/c") is None
    assert made.number_of_id(5) is None
    assert made.file(1) == tmp_path / "f" / "a"
