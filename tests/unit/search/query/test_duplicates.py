"""Groups of near-equal assets."""

from pathlib import Path

import numpy as np
import pytest

from scripts.search.query import duplicates as module
from scripts.search.query.duplicates import TooManyError, duplicates
from scripts.search.query.engine import Filters
from tests.unit.search.query.made import catalogue, random_unit, unit

NEAR = unit((1, 0, 0), (1, 0.05, 0), (1, 0.1, 0), (0, 1, 0), (0, 1, 0.01), (0, 0, 1))


def groups(place: Path, vectors: dict[str, object], **more: float) -> list[list[str]]:
    made = catalogue(place, vectors)
    return [[made.path(n).removeprefix("f/") for n in group.numbers] for group in duplicates(made, **more)]


def test_what_hangs_together_by_near_pairs_is_one_group_and_the_nearest_pair_comes_first(tmp_path: Path) -> None:
    vectors = dict(zip("fedcba", NEAR, strict=True))
    assert groups(tmp_path, vectors, min_score=0.998) == [["b", "c"], ["d", "e", "f"]]
    assert groups(tmp_path, vectors, min_score=0.99999) == []


@pytest.mark.parametrize(("rows", "columns"), [(7, 7), (16, 32), (64, 512)])
def test_groups_are_those_of_all_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, columns: int
) -> None:
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", rows)
    monkeypatch.setattr(module, "_COLUMNS_AT_ONCE", columns)
    vectors = random_unit(120, 3)
    made = catalogue(tmp_path, {f"{n:03}": row for n, row in enumerate(vectors)})
    near = vectors @ vectors.T >= 0.99
    label = np.arange(120)
    for _ in range(120):
        label = np.array([label[near[n]].min() for n in range(120)])
    expected = {tuple(np.flatnonzero(label == one)) for one in label if (label == one).sum() > 1}
    found = duplicates(made, min_score=0.99)
    assert {tuple(group.numbers) for group in found} == expected
    np.fill_diagonal(scores := vectors @ vectors.T, -1)
    for group in found:
        assert group.score == pytest.approx(scores[np.ix_(group.numbers, group.numbers)].max(), abs=2e-6)
    assert [group.score for group in found] == sorted((group.score for group in found), reverse=True)


def test_videos_are_compared_with_videos_by_the_mean_of_their_frames(tmp_path: Path) -> None:
    vectors = {
        "a.mp4": unit((1, 0, 0), (0, 1, 0)),
        "b.mp4": unit((0, 1, 0), (1, 0, 0)),
        "c.mp4": unit((1, 0, 0)),
        "p": unit((1, 1, 0)),
    }
    assert groups(tmp_path, vectors, min_score=0.95) == [["a.mp4", "b.mp4"]]


def test_only_what_the_filters_leave_is_compared(tmp_path: Path) -> None:
    made = catalogue(tmp_path, {"a": NEAR[0], "b": NEAR[0], "c": NEAR[0]})
    assert [group.numbers for group in duplicates(made, min_score=0.9, filters=Filters(hidden=np.array([1])))] == [
        [0, 2]
    ]


def test_too_many_are_refused_with_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_COMPARED", 2)
    made = catalogue(tmp_path, {"a": NEAR[0], "b": NEAR[0], "c": NEAR[0]})
    with pytest.raises(TooManyError, match="by path"):
        duplicates(made, min_score=0.9)
