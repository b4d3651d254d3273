import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.speaker.boundaries.noise import Noise, estimate_noise
from scripts.speaker.boundaries.places import REACH, weigh_places
from tests.unit.speaker.boundaries.voices import unit, voices

NOISE = Noise(np.diag(np.linspace(0.2, 1.8, 24)) * 0.05 / 24, trace=0.05, trace_of_square=0.0002, largest=0.004)


def log_odds(rows: NDArray[np.float32], at: int, variance: float) -> NDArray[np.float64]:
    """Log odds of each file to be the right speaker's, one file after the other, of two speakers with under 100."""
    units = rows.astype(np.float64)
    centres = []
    for side in (units[:at], units[at:]):
        near = np.sum((side - side.mean(axis=0)) ** 2, axis=1) < 4 * variance
        centres.append(side[near].mean(axis=0))
    metric = np.linalg.inv(0.7 * NOISE.covariance + 0.3 * NOISE.trace / 24 * np.eye(24))
    said = []
    for row in units:
        odds = float(np.clip((row - (centres[0] + centres[1]) / 2) @ metric @ (centres[1] - centres[0]), -4, 4))
        strange = all(np.sum((row - centre) ** 2) > 4 * variance for centre in centres)
        said.append(0.1 * odds if strange else odds)
    return np.array(said)


@pytest.mark.parametrize("distance", [0.03, 0.1, 0.8])
def test_a_place_is_as_likely_as_the_files_on_both_sides_say(distance: float) -> None:
    rows = voices([70, 60], distance=distance)
    rows[[40, 69, 71]] = np.eye(24)[[5, 6, 7]]
    for row, strangeness in [(30, 0.1), (55, 0.15), (75, 0.3), (90, 0.5)]:  # squared distance: 4 variances are 0.2
        cosine = 1 - strangeness / 2
        rows[row] = cosine * rows[row] + np.sqrt(1 - cosine**2) * np.eye(24)[8]
    rows = unit(rows.astype(np.float64))
    places = weigh_places(rows, np.array([0, 70, 130]), noise=NOISE, variance=0.05)
    said = log_odds(rows, 70, 0.05)
    expected = np.array([said[place:].sum() - said[:place].sum() for place in range(20, 121)]) / 2
    assert places.first.tolist() == [20]
    np.testing.assert_allclose(
        places.log_odds[0] - places.log_odds[0, REACH], expected - expected[REACH], rtol=1e-3, atol=2e-3
    )


def test_places_end_before_the_neighbouring_boundaries() -> None:
    rows = voices([30, 10, 200])
    places = weigh_places(rows, np.array([0, 30, 40, 240]), noise=NOISE, variance=0.05)
    possible = [
        np.flatnonzero(np.isfinite(row)) + first for row, first in zip(places.log_odds, places.first, strict=True)
    ]
    assert possible[0].tolist() == list(range(1, 40))
    assert possible[1].tolist() == list(range(31, 91))


@pytest.mark.parametrize("off", [-30, -5, 0, 7, 30])
def test_the_likeliest_place_is_the_change_also_seen_from_beside_it(off: int) -> None:
    rows = voices([150, 150])
    found = weigh_places(rows, np.array([0, 150 + off, 300]), noise=estimate_noise(rows, block=1), variance=0.05)
    assert found.best.tolist() == [150]


def test_more_boundaries_than_a_batch_are_all_rated() -> None:
    indices = np.arange(0, 101 * 12, 12)
    rows = voices([12] * 20 * 5 + [12], dim=110)
    found = weigh_places(rows, indices[:-1], noise=estimate_noise(rows, block=1), variance=0.05)
    assert found.best.tolist() == indices[1:-2].tolist()


def test_no_boundary_has_no_places() -> None:
    assert weigh_places(voices([9]), np.array([0, 9]), noise=NOISE, variance=0.05).log_odds.shape == (0, 101)
