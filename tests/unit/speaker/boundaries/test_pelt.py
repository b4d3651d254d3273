from itertools import pairwise

import numpy as np
import pytest
import ruptures
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.speaker.boundaries.pelt import best_split
from scripts.speaker.boundaries.unit_rows import segment_sums
from tests.unit.speaker.boundaries.voices import voices


def cost(rows: NDArray[np.float32], indices: NDArray[np.int64], penalty: float) -> float:
    parts = [rows[start:end].astype(float) for start, end in pairwise(indices)]
    return sum(float(np.sum((part - part.mean(axis=0)) ** 2)) for part in parts) + penalty * (len(parts) - 1)


def every_split(rows: NDArray[np.float32], places: NDArray[np.int64], penalty: float, min_segment: int) -> float:
    """Least cost by trying every last segment of every prefix, none left out."""
    best = {0: -penalty}
    for end in places[1:].tolist():
        for start in [start for start in places.tolist() if start in best and end - start >= min_segment]:
            total = best[start] + cost(rows, np.array([start, end]), 0) + penalty
            best[end] = min(total, best.get(end, np.inf))
    return best[int(places[-1])]


def random_rows(seed: int, n: int) -> NDArray[np.float32]:
    """Noise with some changes, no clear structure."""
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.choice(np.arange(1, n), 4, replace=False))
    return voices(np.diff(cuts, prepend=0, append=n).tolist(), seed=seed, dim=6, variance=0.4, distance=0.5)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    penalty=st.floats(0.01, 4),
    min_segment=st.integers(1, 9),
    part=st.sampled_from([0.3, 0.7, 1.0]),
)
def test_pruning_loses_nothing(seed: int, penalty: float, min_segment: int, part: float) -> None:
    rows = random_rows(seed, 45)
    inner = np.flatnonzero(np.random.default_rng(seed).random(44) < part) + 1
    places = np.concatenate([[0], inner, [45]])
    chosen = best_split(segment_sums(rows, places), places, penalty=penalty, min_segment=min_segment)
    found = places[chosen]
    assert found[0] == 0
    assert found[-1] == 45
    assert np.diff(found).min() >= min_segment
    assert cost(rows, found, penalty) == pytest.approx(every_split(rows, places, penalty, min_segment), rel=1e-6)


@pytest.mark.parametrize("penalty", [0.05, 0.3, 0.6, 1.5, 5.0])
@pytest.mark.parametrize("min_segment", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_all_places_give_what_ruptures_gives(penalty: float, min_segment: int, seed: int) -> None:
    rows = random_rows(seed, 90)
    places = np.arange(91)
    chosen = best_split(segment_sums(rows, places), places, penalty=penalty, min_segment=min_segment)
    kernel = ruptures.KernelCPD("linear", min_size=min_segment).fit(rows.astype(np.float64))
    assert chosen[1:].tolist() == kernel.predict(pen=penalty)


def test_a_larger_penalty_never_adds_a_boundary() -> None:
    rows = random_rows(5, 200)
    places = np.arange(201)
    sums = segment_sums(rows, places)
    counts = [len(best_split(sums, places, penalty=penalty)) for penalty in (0.01, 0.1, 0.5, 1, 2, 8)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_rows_than_a_segment_needs_stay_whole(n: int) -> None:
    rows = voices([n])
    places = np.arange(n + 1)
    assert best_split(segment_sums(rows, places), places, penalty=0.0, min_segment=4).tolist() == [0, n]


def test_a_long_segment_keeps_more_starts_than_there_was_room_for() -> None:
    places = np.arange(301)
    rows = voices([300])
    assert best_split(segment_sums(rows, places), places, penalty=3.0).tolist() == [0, 300]
