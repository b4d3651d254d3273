"""tests/bench/speaker/made_collections.py: the truth that methods are measured against is true."""

from itertools import pairwise

import numpy as np
import pytest

from tests.bench.speaker.made_collections import (
    BETWEEN_COSINE,
    KINDS,
    PAIR_COSINE,
    WITHIN_VARIANCE,
    Collection,
    long_collection,
    make_collection,
)

SMALL = [name for name in KINDS if "1,000" not in name and "5,000" not in name]


def made(name: str, seed: int = 0) -> Collection:
    return KINDS[name](np.random.default_rng(seed))


def centres_and_variances(collection: Collection) -> tuple[np.ndarray, np.ndarray]:
    units = collection.embeddings / np.linalg.norm(collection.embeddings, axis=1, keepdims=True)
    parts = [units[start:end] for start, end in pairwise(collection.truth)]
    centres = np.array([part.mean(axis=0) for part in parts])
    variances = np.array([np.sum(part.var(axis=0, ddof=1)) for part in parts])
    return centres / np.linalg.norm(centres, axis=1, keepdims=True), variances


@pytest.mark.parametrize("name", SMALL)
def test_a_collection_holds_its_speakers_and_a_seed_repeats_it(name: str) -> None:
    first, again, other = made(name), made(name), made(name, seed=1)
    assert first.truth[0] == 0
    assert first.truth[-1] == len(first.embeddings) == len(first.speakers)
    assert np.array_equal(first.embeddings, again.embeddings)
    assert first.truth == again.truth
    assert not np.array_equal(first.embeddings[:30], other.embeddings[:30])
    assert first.embeddings.dtype == np.float32
    assert np.isfinite(first.embeddings).all()


def test_speakers_differ_within_and_between_as_measured() -> None:
    centres, variances = centres_and_variances(make_collection(np.random.default_rng(0), [60] * 80, segment_size=60))
    cosines = (centres @ centres.T)[np.triu_indices(80, 1)]
    assert np.median(variances) == pytest.approx(WITHIN_VARIANCE, rel=0.1)
    assert np.std(np.log(variances)) == pytest.approx(0.24, abs=0.06)
    assert cosines.mean() == pytest.approx(BETWEEN_COSINE, abs=0.02)
    assert cosines.std() == pytest.approx(0.078, abs=0.01)


def test_each_second_speaker_is_similar_to_the_one_before() -> None:
    centres, _ = centres_and_variances(made("similar pairs"))
    cosines = np.sum(centres[:-1] * centres[1:], axis=1)
    assert cosines[::2] == pytest.approx(PAIR_COSINE, abs=0.01)
    assert np.median(cosines[1::2]) < 0.8


def median_step(**defects: float) -> float:
    """Median squared distance of neighbouring files."""
    rows = make_collection(np.random.default_rng(0), [60] * 60, segment_size=60, **defects).embeddings
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return float(np.median(np.sum(np.diff(units, axis=0) ** 2, axis=1)))


@pytest.mark.parametrize("defect", ["session_share", "correlation"])
@pytest.mark.parametrize("share", [0.25, 0.5])
def test_neighbours_share_as_much_of_the_variance_as_is_said(defect: str, share: float) -> None:
    assert median_step(**{defect: share}) / median_step() == pytest.approx(1 - share, abs=0.06)


def far_files(name: str) -> np.ndarray:
    """Whether each file is far from its speaker's centre."""
    collection = made(name)
    units = collection.embeddings / np.linalg.norm(collection.embeddings, axis=1, keepdims=True)
    centres, _ = centres_and_variances(collection)
    return np.sum(units * centres[collection.speakers], axis=1) < 0.85


def test_one_file_in_twenty_is_bad() -> None:
    assert far_files("5 % bad files").mean() == pytest.approx(0.05, abs=0.015)


def test_bad_runs_lie_inside_a_speaker() -> None:
    collection, far = made("bad runs"), far_files("bad runs")
    with_runs = 0
    for start, end in pairwise(collection.truth):
        inside = np.flatnonzero(far[start:end])
        if inside.size > 2:
            with_runs += 1
            assert inside.size < (end - start) / 3
            assert 0 < inside.mean() < end - start
            assert not far[start]
            assert not far[end - 1]
    assert with_runs == 7


def test_a_long_collection_has_as_many_files_as_asked_for() -> None:
    collection = long_collection(5_000, segment_size=100)
    assert len(collection.embeddings) == collection.truth[-1] == 5_000
    lengths = np.diff(collection.truth)
    assert lengths[:-1].min() >= 70
    assert lengths[:-1].max() <= 130
