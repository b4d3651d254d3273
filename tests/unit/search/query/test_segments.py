"""Stretches of videos."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.search.query.segments import segments


def found(scores: list[float], threshold: float = 0.5, duration: float = 100.0) -> list[tuple[float, float, float]]:
    times = np.arange(len(scores), dtype=np.float32) * 2
    made = segments(times, np.array(scores, dtype=np.float32), threshold=threshold, interval=2.0, duration=duration)
    return [(part.start, part.end, part.time) for part in made]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], []),
        ([0.1, 0.2], []),
        ([0.9], [(0, 1, 0)]),
        ([0.1, 0.6, 0.9, 0.1], [(1, 5, 4)]),
        ([0.6, 0.1, 0.9], [(0, 5, 4)]),  # one frame below is bridged
        ([0.6, 0.1, 0.1, 0.9], [(0, 1, 0), (5, 7, 6)]),  # two are not
        ([0.5, 0.5], [(0, 3, 0)]),  # at the threshold counts
    ],
)
def test_frames_that_match_are_joined(scores: list[float], expected: list[tuple[float, float, float]]) -> None:
    assert found(scores) == expected


def test_a_segment_ends_with_the_video() -> None:
    assert found([0.1, 0.9], duration=2.5) == [(1, 2.5, 2)]
    assert found([0.1, 0.9], duration=float("nan")) == [(1, 3, 2)]
    assert found([0.1, 0.9], duration=1.0) == [(1, 2, 2)]  # a length that is told too short cuts no frame off


@given(st.lists(st.floats(-1, 1, width=16), max_size=30), st.floats(-1, 1, width=16))
def test_segments_hold_all_frames_that_match_and_overlap_nowhere(scores: list[float], threshold: float) -> None:
    made = found(scores, threshold)
    for number, score in enumerate(scores):
        if score >= threshold:
            assert any(start <= 2 * number <= end for start, end, _ in made)
    assert all(one[1] <= two[0] for one, two in pairwise(made))
    assert all(start < end for start, end, _ in made)
