import math

import numpy as np
import pytest

from scripts.speaker.boundaries.confidence import describe
from tests.unit.speaker.boundaries.voices import unit, voices


def test_a_clear_change_is_as_sure_as_a_single_file_may_say() -> None:
    (about,) = describe(voices([200, 200]), [0, 200, 400])
    # Each file says 4 at most: beside the place e^-4, then e^-8 and so on.
    assert about.margin == pytest.approx(4, abs=1e-3)
    assert about.confidence == pytest.approx(1 / (1 + 2 * sum(math.exp(-4 * k) for k in range(1, 51))), abs=1e-4)


def test_the_distance_ratio_is_the_squared_distance_over_the_variance_of_a_file() -> None:
    rows = voices([400, 500, 300], variance=0.06, distance=0.3)
    abouts = describe(rows, [0, 400, 900, 1200])
    # The rows, longer by 3 %, were brought to length 1.
    assert [about.distance_ratio for about in abouts] == pytest.approx([0.3 / 0.06] * 2, rel=0.08)


def test_the_distance_ratio_of_one_speaker_cut_in_two_is_nothing() -> None:
    ratios = [describe(voices([40], seed=seed), [0, 15, 40])[0].distance_ratio for seed in range(40)]
    assert abs(np.mean(ratios)) < 0.03


def test_a_place_beside_the_change_has_a_negative_margin_and_little_confidence() -> None:
    (about,) = describe(voices([200, 200]), [0, 202, 400])
    assert about.margin == pytest.approx(-8, abs=0.01)
    assert about.confidence == pytest.approx(math.exp(-8) * 0.964, rel=0.01)


def test_a_bad_file_at_the_change_leaves_two_places() -> None:
    rows = voices([200, 200])
    rows[200] = np.eye(24)[7]
    abouts = sorted((describe(rows, [0, place, 400])[0] for place in (200, 201)), key=lambda about: about.margin)
    # The file is like nobody: it says a tenth of the 4 that it would.
    assert [about.margin for about in abouts] == pytest.approx([-0.4, 0.4], abs=0.001)
    assert [about.confidence for about in abouts] == pytest.approx([0.394, 0.588], abs=0.005)


def test_similar_speakers_are_less_sure_than_different_ones() -> None:
    def confidence(distance: float) -> float:
        found = [describe(voices([90, 90], distance=distance, seed=seed), [0, 90, 180])[0] for seed in range(20)]
        return float(np.mean([about.confidence for about in found]))

    assert confidence(0.004) < 0.4 < confidence(0.05) < confidence(0.2)


def test_a_boundary_between_two_files_is_certain_as_there_is_no_other_place() -> None:
    (about,) = describe(unit(np.array([[1.0, 0.1], [0.1, 1.0]])), [0, 1, 2])
    assert about.confidence == 1
    assert about.margin == math.inf
    assert math.isfinite(about.distance_ratio)


def test_a_collection_left_whole_has_nothing_to_describe() -> None:
    assert describe(voices([5]), [0, 5]) == []
    assert describe(voices([1]), [0, 1]) == []
