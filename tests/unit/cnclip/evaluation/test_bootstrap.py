import numpy as np
import pytest

from scripts.cnclip.evaluation.bootstrap import hit_values, mean_interval


def test_interval_is_that_of_the_binomial_distribution() -> None:
    values = 100.0 * (np.arange(400) < 120)[:, None]
    (found,) = mean_interval(values, range(400), seed=1, samples=20_000)
    deviation = 100 * np.sqrt(0.3 * 0.7 / 400)
    assert found.value == 30.0
    assert (found.low, found.high) == pytest.approx((30 - 1.96 * deviation, 30 + 1.96 * deviation), abs=0.4)


def test_captions_of_one_picture_count_as_one() -> None:
    values = 100.0 * (np.arange(500) < 250)[:, None]
    (single,) = mean_interval(values, range(500), seed=1)
    (grouped,) = mean_interval(values, [number // 5 for number in range(500)], seed=1)
    assert (grouped.high - grouped.low) / (single.high - single.low) == pytest.approx(np.sqrt(5), rel=0.1)


def test_pairing_makes_the_interval_of_a_small_gain_small() -> None:
    rng = np.random.default_rng(3)
    hits = rng.random((1000, 1)) < 0.5
    better = hits.copy()
    better[np.flatnonzero(~hits[:, 0])[:30]] = True
    (gain,) = mean_interval(100.0 * better - 100.0 * hits, range(1000), seed=1)
    assert gain.value == pytest.approx(3.0)
    assert 1.9 < gain.low < gain.high < 4.2


def test_equal_seeds_give_equal_intervals_and_others_do_not() -> None:
    values = np.random.default_rng(0).random((50, 2))
    assert mean_interval(values, range(50), seed=4) == mean_interval(values, range(50), seed=4)
    assert mean_interval(values, range(50), seed=4) != mean_interval(values, range(50), seed=5)


def test_values_of_a_query_hold_their_mean() -> None:
    assert hit_values(np.array([[False, True, True]])).tolist() == [[0.0, 100.0, 100.0, pytest.approx(200 / 3)]]
