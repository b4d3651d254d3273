import numpy as np
import pytest

from scripts.speaker.boundaries.candidates import WINDOWS, candidates, is_peak, window_gains
from scripts.speaker.boundaries.unit_rows import CHUNK_ROWS
from tests.unit.speaker.boundaries.voices import voices


def test_gains_are_those_of_the_files_around_each_place_also_at_the_ends_and_between_chunks() -> None:
    n = CHUNK_ROWS + 200
    rows = voices([n // 2, n - n // 2], dim=4)
    units = rows.astype(np.float64)
    found = np.concatenate([gains for _, gains in window_gains(rows)], axis=1)
    assert found.shape == (len(WINDOWS), n)
    for place in [1, 2, 7, 8, 31, 40, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1, n // 2, n - 9, n - 1]:
        for row, window in enumerate(WINDOWS):
            before, after = units[max(0, place - window) : place], units[place : place + window]
            apart = before.mean(axis=0) - after.mean(axis=0)
            weight = len(before) * len(after) / (len(before) + len(after))
            assert found[row, place] == pytest.approx(weight * apart @ apart, rel=1e-5)


def test_a_peak_is_as_high_as_all_within_reach() -> None:
    profile = np.array([0, 3, 1, 2, 2, 0, 0, 5], np.float32)
    assert np.flatnonzero(is_peak(profile, 1)).tolist() == [1, 3, 4, 7]
    assert np.flatnonzero(is_peak(profile, 2)).tolist() == [1, 4, 7]
    assert np.flatnonzero(is_peak(profile, 3)).tolist() == [1, 7]


def test_every_change_of_speaker_is_among_the_candidates() -> None:
    lengths = [60, 9, 200, 33, 40]
    found = candidates(voices(lengths), threshold=0.5)
    assert set(np.cumsum(lengths)[:-1]) <= set(found.tolist())


def test_similar_speakers_are_told_by_the_long_window_alone() -> None:
    found = candidates(voices([300, 300], distance=0.04), threshold=0.5)  # 16 files a side would gain 0.37
    assert len(found) == 1
    assert abs(found[0] - 300) <= 5


def test_two_changes_six_files_apart_are_two_candidates() -> None:
    assert {60, 66} <= set(candidates(voices([60, 6, 60]), threshold=0.5).tolist())


def test_one_voice_has_no_candidate_above_what_noise_reaches() -> None:
    assert candidates(voices([2000]), threshold=0.4).size == 0
