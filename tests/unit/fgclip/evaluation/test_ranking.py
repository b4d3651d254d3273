"""Areas for all resamplings at once are those of scikit-learn on the frames themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from scripts.fgclip.evaluation import ranking
from scripts.fgclip.evaluation.ranking import Ranking, draw_videos, interval

Frames = tuple[list[NDArray[np.float32]], list[NDArray[np.bool_]]]


def drawn_frames(seed: int, *, decimals: int, n_videos: int) -> Frames:
    """Scores with many ties, of videos some of which have no positive frame."""
    rng = np.random.default_rng(seed)
    labels = [rng.random(rng.integers(1, 30)) < rng.choice([0.0, 0.4]) for _ in range(n_videos)]
    scores = [np.round(rng.normal(size=len(of)) + of, decimals).astype(np.float32) for of in labels]
    return scores, labels


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), decimals=st.integers(0, 3), n_videos=st.integers(1, 7))
def test_areas_are_those_of_the_frames_written_out(seed: int, decimals: int, n_videos: int) -> None:
    scores, labels = drawn_frames(seed, decimals=decimals, n_videos=n_videos)
    made, weights = Ranking(scores, labels), draw_videos(n_videos, samples=3, seed=seed)
    areas = zip(weights, made.auc(weights), made.average_precision(weights), strict=True)
    for weight, auc, precision in areas:
        repeated = [number for number, times in enumerate(weight) for _ in range(int(times))]
        score, label = (np.concatenate([of[number] for number in repeated]) for of in (scores, labels))
        if label.all() or not label.any():
            assert np.isnan(auc)
            assert np.isnan(precision)
        else:
            assert auc == pytest.approx(roc_auc_score(label, score), abs=1e-12)
            assert precision == pytest.approx(average_precision_score(label, score), abs=1e-6)


def test_areas_do_not_depend_on_how_thresholds_are_parted(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels = drawn_frames(3, decimals=2, n_videos=7)
    weights = draw_videos(7, samples=4, seed=1)
    whole = Ranking(scores, labels)
    expected = whole.auc(weights), whole.average_precision(weights)
    monkeypatch.setattr(ranking, "_THRESHOLDS_AT_ONCE", 3)
    parted = Ranking(scores, labels)
    assert parted.auc(weights) == pytest.approx(expected[0], abs=1e-12)
    assert parted.average_precision(weights) == pytest.approx(expected[1], abs=1e-6)


def test_only_the_frames_of_chosen_videos_are_compared() -> None:
    scores, labels = drawn_frames(5, decimals=1, n_videos=6)
    of_positive, of_negative = np.array([1, 1, 0, 1, 0, 1], bool), np.array([0, 1, 1, 1, 1, 0], bool)
    positive = [score[label] for score, label, there in zip(scores, labels, of_positive, strict=True) if there]
    negative = [score[~label] for score, label, there in zip(scores, labels, of_negative, strict=True) if there]
    score = np.concatenate([*positive, *negative])
    label = np.arange(len(score)) < sum(map(len, positive))
    [auc] = Ranking(scores, labels).auc(np.ones((1, 6)), positives=of_positive, negatives=of_negative)
    assert auc == pytest.approx(roc_auc_score(label, score), abs=1e-12)


def test_a_constant_score_has_the_area_of_chance() -> None:
    made = Ranking([np.zeros(8, np.float32)], [np.arange(8) < 2])
    assert made.auc(np.ones((1, 1))).tolist() == [0.5]
    assert made.average_precision(np.ones((1, 1))).tolist() == [0.25]


def test_large_sets_are_counted_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, labels = drawn_frames(9, decimals=2, n_videos=5)
    monkeypatch.setattr(ranking, "_EXACT_IN_FLOAT32", 1)
    [precision] = Ranking(scores, labels).average_precision(np.ones((1, 5)))
    expected = average_precision_score(np.concatenate(labels), np.concatenate(scores))
    assert precision == pytest.approx(expected, abs=1e-14)


def test_resampling_draws_whole_videos_as_many_as_there_are() -> None:
    weights = draw_videos(12, samples=50, seed=7)
    assert weights.shape == (51, 12)
    assert weights[0].tolist() == [1] * 12
    assert (weights.sum(1) == 12).all()
    assert (weights == 0).any()
    assert np.array_equal(weights, draw_videos(12, samples=50, seed=7))
    assert not np.array_equal(weights, draw_videos(12, samples=50, seed=8))


def test_an_interval_leaves_out_resamplings_without_a_value() -> None:
    assert interval(np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5)
    assert interval(np.array([np.nan])) is None
    assert interval(np.zeros(0)) is None
    assert interval(np.linspace(0, 1, 1001)) == pytest.approx((0.025, 0.975))
