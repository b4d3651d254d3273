"""Which assets answer, in which order."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.search.query.catalogue import Catalogue
from scripts.search.query.engine import Filters, numbers_of_paths
from scripts.search.query.engine import search as lazy_search
from tests.unit.search.query.made import catalogue, random_unit, unit

X, Y = unit((1, 0, 0), (0, 1, 0))


def search(made: Catalogue, query: Any, **more: Any) -> Any:
    """An answer whose hits are at hand."""
    found = lazy_search(made, query, **more)
    return found._replace(hits=list(found.hits))  # type: ignore[arg-type]


def names(made: Catalogue, found: Any) -> list[str]:
    return [made.path(hit.number).removeprefix("f/") for hit in found.hits]


@pytest.fixture
def three(tmp_path: Path) -> Catalogue:
    return catalogue(tmp_path, {"far": unit((0, 1, 0)), "v.mp4": unit((0, 1, 0), (2, 1, 0)), "near": unit((1, 0, 0))})


def test_the_nearest_comes_first_and_a_video_counts_by_its_best_frame(three: Catalogue) -> None:
    found = search(three, X)
    assert (found.total, names(three, found)) == (3, ["near", "v.mp4", "far"])
    assert [hit.score for hit in found.hits] == [1.0, 0.894427, 0.0]
    assert [hit.time for hit in found.hits] == [None, 2.0, None]
    assert [(part.start, part.end) for part in found.hits[1].segments] == [(1.0, 3.0)]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_all_pages_together_are_the_order_of_a_full_sort(tmp_path: Path, dtype: str) -> None:
    rows = random_unit(300, 16)
    rows[100:140] = rows[7]  # equals, which their paths order
    made = catalogue(tmp_path, {f"{(n * 7919) % 300:03}": row for n, row in enumerate(rows)}, dtype=dtype)
    scores = made.vectors.astype(np.float64) @ rows[7].astype(np.float64)
    best_first = np.lexsort([[made.path(n) for n in range(300)], -np.round(scores, 6)])
    expected = [made.path(int(n)).removeprefix("f/") for n in best_first]
    pages = [search(made, rows[7], offset=start, limit=23) for start in range(0, 320, 23)]
    assert [name for page in pages for name in names(made, page)] == expected
    assert {page.total for page in pages} == {300}
    assert names(made, search(made, rows[7])) == expected


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 13), st.integers(1, 13),
    st.sampled_from([None, 0.0, 0.5, 1.0]),
)  # fmt: skip
def test_a_page_is_that_part_of_the_whole_answer(
    tmp_path_factory: Any, kinds: list[int], offset: int, limit: int, least: float | None
) -> None:
    vectors = unit((1, 0, 0), (1, 1, 0), (0, 1, 0), (-1, 1, 0))
    made = catalogue(tmp_path_factory.mktemp("made"), {f"{n}": vectors[kind] for n, kind in enumerate(kinds)})
    filters = Filters(min_score=least)
    whole = search(made, X, filters=filters)
    assert search(made, X, filters=filters, offset=offset, limit=limit).hits == whole.hits[offset : offset + limit]
    assert whole.total == len(whole.hits)


def test_assets_nearer_to_the_negative_are_left_out(three: Catalogue) -> None:
    assert names(three, search(three, X, negative=Y)) == ["near"]
    # At least as near: a vector is not nearer to itself than to itself.
    assert search(three, X, negative=X).total == 0
    assert names(three, search(three, unit((1, 0.4, 0))[0], negative=Y)) == ["near"]


@pytest.mark.parametrize(
    ("given_filters", "expected"),
    [
        ({"kind": "video"}, ["v.mp4"]),
        ({"kind": "image"}, ["near", "far"]),
        ({"path": "EA"}, ["near"]),
        ({"path": "f/"}, ["near", "v.mp4", "far"]),
        ({"path": "nothing"}, []),
        ({"since_ns": 101 * 10**9}, ["near", "v.mp4"]),
        ({"until_ns": 101 * 10**9}, ["far"]),
        ({"min_score": 0.894427}, ["near", "v.mp4"]),
        ({"min_score": 1.0}, ["near"]),
        ({"only": np.array([0, 1])}, ["v.mp4", "far"]),
        ({"only": np.array([], dtype=np.int64)}, []),
        ({"hidden": np.array([2])}, ["v.mp4", "far"]),
        ({"only": np.array([0, 2]), "hidden": np.array([2])}, ["far"]),
    ],
)
def test_filters_leave_just_what_they_say(three: Catalogue, given_filters: Any, expected: list[str]) -> None:
    found = search(three, X, filters=Filters(**given_filters))
    assert (found.total, names(three, found)) == (len(expected), expected)


def test_without_a_question_the_newest_comes_first(three: Catalogue) -> None:
    assert names(three, search(three, None)) == ["near", "v.mp4", "far"]
    assert names(three, search(three, None, filters=Filters(kind="image"), offset=1, limit=5)) == ["far"]
    assert search(three, None).hits[0].score is None


def test_the_threshold_of_segments_is_the_asked_one_else_halfway_to_the_best(tmp_path: Path) -> None:
    frames = {"v.mp4": unit((1, 0, 0), (1, 0.5, 0), (0, 1, 0), (0, 1, 0), (1, 1, 0))}
    plain, told = catalogue(tmp_path / "a", frames), catalogue(tmp_path / "b", frames, min_score="0.75")

    def parts(made: Catalogue, least: float | None) -> list[tuple[float, float]]:
        hit = search(made, X, filters=Filters(min_score=least)).hits[0]
        return [(part.start, part.end) for part in hit.segments]

    assert parts(plain, None) == [(0, 1)]  # the best frame alone
    assert parts(told, None) == [(0, 3)]
    assert parts(plain, 0.7) == [(0, 3), (7, 9)]


def test_an_empty_index_answers_nothing(tmp_path: Path) -> None:
    made = catalogue(tmp_path, {})
    assert search(made, X) == search(made, None) == (0, [])


def test_paths_that_are_not_indexed_have_no_number(three: Catalogue) -> None:
    assert numbers_of_paths(three, ["f/near", "f/gone"]).tolist() == [2]
