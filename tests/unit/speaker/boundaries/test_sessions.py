from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.segments import Segments
from scripts.speaker.boundaries.sessions import join_sessions

DIM, LENGTH, VARIANCE = 200, 100, 0.01


def collection(
    n_sessions: Sequence[int], *, apart: float, speakers_apart: float = 12.0, seed: int = 0
) -> tuple[Segments, list[int]]:
    """Speakers with some sessions of 100 files each; distances in file variances, between sessions and speakers.

    Returns:
        One segment a session; the first session of each speaker but the first.
    """
    rng = np.random.default_rng(seed)
    speakers = rng.normal(size=(len(n_sessions), DIM)) * np.sqrt((speakers_apart - apart) / 2 / DIM)
    centres = np.repeat(speakers, n_sessions, axis=0)
    centres += rng.normal(size=centres.shape) * np.sqrt(apart / 2 / DIM)
    return sessions(centres), (np.cumsum(n_sessions)[:-1] * LENGTH).tolist()


def sessions(centres: NDArray[np.float64]) -> Segments:
    """One segment of 100 files a centre, which is given in standard deviations of a file."""
    sums = LENGTH * np.sqrt(VARIANCE) * centres
    # Rows of length 1: an own direction holds what the centre leaves over.
    rest = LENGTH**2 * (1 - VARIANCE) - np.sum(sums**2, axis=1)
    sums = np.hstack([sums, np.sqrt(rest)[:, None]])
    k = len(sums)
    return Segments(np.arange(k + 1) * LENGTH, sums, np.full(k, LENGTH), file_variance=VARIANCE)


def test_strong_sessions_in_many_speakers_are_joined() -> None:
    segments, truth = collection([4, 2, 1, 5, 3, 6, 2, 3], apart=2.0)
    speakers = join_sessions(segments, distance_ratio=1.5, min_segment=20)
    assert speakers is not None
    assert speakers.indices[1:-1].tolist() == truth
    assert len(segments.indices) == sum([4, 2, 1, 5, 3, 6, 2, 3]) + 1


def test_similar_speakers_in_pairs_are_no_sessions() -> None:
    segments, _ = collection([2] * 10, apart=1.8)
    assert join_sessions(segments, distance_ratio=1.5, min_segment=20) is None


def test_two_speakers_with_rows_of_alike_segments_are_too_few_to_tell() -> None:
    segments, _ = collection([4, 1, 5, 1, 1], apart=2.0)
    assert join_sessions(segments, distance_ratio=1.5, min_segment=20) is None
    segments, _ = collection([4, 1, 5, 1, 3], apart=2.0)
    assert join_sessions(segments, distance_ratio=1.5, min_segment=20) is not None


def test_alike_speakers_with_sessions_stay_two() -> None:
    segments, truth = collection([4, 3, 3, 4, 3, 2, 5, 2, 3, 4, 3, 2], apart=2.0, seed=1)
    centres = segments.centres[:, :DIM] / np.sqrt(VARIANCE)
    centres[14:17] -= (1 - np.sqrt(3.5 / 12)) * (centres[14] - centres[13])  # the fifth speaker, moved to the fourth
    speakers = join_sessions(sessions(centres), distance_ratio=1.5, min_segment=20)
    assert speakers is not None
    assert speakers.indices[1:-1].tolist() == truth


def test_sessions_interrupted_by_bad_runs_are_joined() -> None:
    segments, truth = collection([2, 3, 3, 3, 2, 3], apart=2.0)
    runs = [2, 6, 9]  # segments: the first sessions of the second, the third and the fourth speaker
    sums, lengths = [], []
    for number, centre in enumerate(segments.centres):
        sums.append(centre * LENGTH)
        lengths.append(LENGTH)
        if number in runs:
            sums.append(30 * np.eye(DIM + 1)[number])
            lengths.append(30)
    interrupted = Segments(
        np.concatenate([[0], np.cumsum(lengths)]), np.array(sums), np.array(lengths), file_variance=VARIANCE
    )
    speakers = join_sessions(interrupted, distance_ratio=1.5, min_segment=20)
    assert speakers is not None
    before = [30 * sum(at // LENGTH > run for run in runs) for at in truth]
    assert speakers.indices[1:-1].tolist() == np.add(truth, before).tolist()


def test_a_triple_among_many_pairs_is_chance() -> None:
    segments, _ = collection([3, 3, 3, *[2] * 10], apart=1.8)
    assert join_sessions(segments, distance_ratio=1.5, min_segment=20) is None


def test_where_no_gap_parts_sessions_from_speakers_there_are_none() -> None:
    """A poor model has alike speakers in rows, and others hardly further apart."""
    segments, _ = collection([4, 2, 1, 5, 3, 6, 2, 3], apart=1.6, speakers_apart=5.5)
    assert join_sessions(segments, distance_ratio=1.5, min_segment=20) is None
