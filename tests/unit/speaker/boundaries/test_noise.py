import math

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.speaker.boundaries.noise import Noise, estimate_noise, false_alarm_penalty
from tests.unit.speaker.boundaries.voices import unit, voices

Rows = NDArray[np.float32]
SCALES = np.sqrt(0.08 * np.arange(1, 31) ** -0.6 / np.sum(np.arange(1, 31) ** -0.6))  # of directions, largest first


def one_voice(n: int, *, seed: int = 0, scales: NDArray[np.float64] = SCALES, correlation: float = 0.0) -> Rows:
    """Unit rows around one direction, each like the one before by the correlation."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, len(scales))) * scales
    fresh = math.sqrt(1 - correlation**2)
    for row in range(1, n if correlation else 0):
        noise[row] = correlation * noise[row - 1] + fresh * noise[row]
    common = np.sqrt(1 - np.sum(noise**2, axis=1, keepdims=True))
    return unit(np.hstack([noise, common]))


def test_the_noise_of_one_voice_is_its_covariance() -> None:
    rows = one_voice(20_000)
    noise = estimate_noise(rows, block=1)
    expected = np.cov(rows.T)
    assert noise.trace == pytest.approx(np.trace(expected), rel=0.02)
    # Dropping the largest differences takes some of the strongest direction away.
    assert 0.75 < noise.largest / np.linalg.eigvalsh(expected)[-1] < 1.02
    assert 0.85 < noise.trace_of_square / np.sum(expected**2) < 1.02
    np.testing.assert_allclose(noise.covariance, expected, atol=0.002)


@pytest.mark.parametrize("dim", [3, 8])
def test_the_median_makes_good_for_the_differences_that_were_dropped(dim: int) -> None:
    rows = one_voice(60_000, scales=np.full(dim, 0.05))
    assert estimate_noise(rows, block=1).trace == pytest.approx(np.trace(np.cov(rows.T)), rel=0.015)


def test_blocks_of_five_see_the_same_noise_where_files_do_not_resemble_their_neighbours() -> None:
    rows = one_voice(40_000)
    assert estimate_noise(rows, block=5).trace == pytest.approx(estimate_noise(rows, block=1).trace, rel=0.03)


def test_blocks_of_five_see_what_neighbours_have_in_common() -> None:
    rows = one_voice(20_000, correlation=0.6)
    means = rows.reshape(-1, 5, rows.shape[1]).mean(axis=1)
    expected = 5 / 2 * np.mean(np.sum(np.diff(means, axis=0) ** 2, axis=1))
    slow = estimate_noise(rows, block=5).trace
    assert slow == pytest.approx(expected, rel=0.05)
    assert slow > 4 * estimate_noise(rows, block=1).trace


def test_changes_of_speaker_and_single_bad_files_hardly_raise_the_noise() -> None:
    quiet = estimate_noise(voices([2000]), block=1).trace
    assert estimate_noise(voices([50] * 20), block=1).trace == pytest.approx(quiet, rel=0.05)
    two_in_turn = estimate_noise(np.tile(voices([20, 20]), (10, 1)), block=1)
    assert two_in_turn.largest < 2.5 * estimate_noise(voices([400]), block=1).largest
    rows = voices([2000])
    rows[::40] = np.eye(24)[0]
    assert estimate_noise(rows, block=1).trace == pytest.approx(quiet, rel=0.1)


def test_files_that_are_all_the_same_have_the_least_noise_that_float32_can_tell() -> None:
    noise = estimate_noise(np.ones((9, 4), np.float32), block=1)
    assert noise.trace == pytest.approx(1e-8, rel=0.2)
    assert noise.largest == pytest.approx(noise.trace / 4)


@pytest.mark.parametrize("n", [2, 3, 9, 11])
def test_a_collection_shorter_than_two_blocks_still_has_a_noise(n: int) -> None:
    assert 0 < estimate_noise(voices([n]), block=5).trace < 1


def test_the_penalty_is_laurent_and_massarts_bound() -> None:
    noise = Noise(np.diag([0.5, 0.3, 0.2]), trace=1.0, trace_of_square=0.38, largest=0.5)
    n = 1000
    exponent = 2 * math.log(1000)
    assert false_alarm_penalty(noise, n) == pytest.approx(1 + 2 * math.sqrt(0.38 * exponent) + exponent)


@pytest.mark.parametrize("n", [3, 10, 30])
def test_noise_exceeds_the_penalty_less_often_than_the_bound_says(n: int) -> None:
    noise = Noise(np.diag([0.9, 0.06, 0.04]), trace=1.0, trace_of_square=0.8152, largest=0.9)
    gains = np.random.default_rng(1).normal(size=(200_000, 3)) ** 2 @ [0.9, 0.06, 0.04]
    assert np.mean(gains > false_alarm_penalty(noise, n)) <= n**-2
