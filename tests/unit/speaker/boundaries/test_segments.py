import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.speaker.boundaries.segments import Segments
from scripts.speaker.boundaries.unit_rows import segment_sums
from tests.unit.speaker.boundaries.voices import voices

VARIANCE = 0.01


def segments(centres: list[list[float]], lengths: list[int]) -> Segments:
    """Segments with exactly these centres, in units of a file's standard deviation."""
    sums = np.sqrt(VARIANCE) * np.array(centres, float) * np.array(lengths)[:, None]
    indices = np.concatenate([[0], np.cumsum(lengths)])
    return Segments(indices, sums, np.array(lengths), file_variance=VARIANCE)


def on_a_line(places: list[float], lengths: list[int]) -> Segments:
    return segments([[place] for place in places], lengths)


def inner(joined: Segments) -> list[int]:
    return list(joined.indices[1:-1].tolist())


@pytest.mark.parametrize("likeness", [1.0, 3.0])
def test_distances_of_centres_are_free_of_what_their_noise_adds(likeness: float) -> None:
    lengths, n = [4, 7, 5], 3000
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0], [2, 0], [2, 1]])
    measured = []
    for _ in range(n):
        noisy = centres + rng.normal(size=(3, 2)) * np.sqrt(likeness / 2 / np.array(lengths))[:, None]
        made = segments(noisy.tolist(), lengths)
        made = Segments(
            made.indices, made.centres * made.weights[:, None], made.weights, file_variance=VARIANCE, likeness=likeness
        )
        measured.append(made.distances())
    error = np.std(measured, axis=0) / np.sqrt(n)
    assert np.all(np.abs(np.mean(measured, axis=0) - [4, 1]) < 4 * error)


def test_neighbours_are_joined_the_nearest_first_and_by_their_common_centre() -> None:
    # 0 and 1 are the nearest; from their centre 2.2 is too far, from 1 alone it would not be.
    joined = on_a_line([0, 1, 2.2, 9], [1000] * 4)
    assert joined.join_alike(1.3**2)
    assert inner(joined) == [2000, 3000]


def test_nothing_is_joined_beyond_the_limit() -> None:
    apart = on_a_line([0, 1.3, 0], [1000] * 3)
    assert not apart.join_alike(1.6)
    assert apart.join_alike(1.7)


def test_so_many_segments_are_left_as_asked_for() -> None:
    joined = on_a_line([0, 9, 1, 5, 2], [100] * 5)
    joined.join_alike(np.inf, fewest=3)
    assert len(joined.indices) == 4


def test_a_shorter_run_between_two_alike_segments_is_theirs_and_has_no_say_in_their_centre() -> None:
    joined = on_a_line([0, 50, 0.2, 9], [300, 30, 200, 400])
    assert joined.absorb_runs(1.0)
    assert inner(joined) == [530]
    assert joined.centres[0, 0] == pytest.approx(0.08 * np.sqrt(VARIANCE))
    assert joined.weights[0] == 500


def test_a_run_in_two_pieces_is_absorbed_too_and_one_in_three_is_not() -> None:
    two = on_a_line([0, 50, 70, 0], [300, 30, 20, 200])
    two.absorb_runs(1.0)
    assert inner(two) == []
    three = on_a_line([0, 50, 70, 60, 0], [300, 30, 20, 20, 200])
    assert not three.absorb_runs(1.0)


@pytest.mark.parametrize(("before", "run", "after"), [(300, 300, 400), (300, 200, 200), (20, 30, 400)])
def test_what_is_not_shorter_than_both_sides_is_no_bad_run(before: int, run: int, after: int) -> None:
    assert not on_a_line([0, 50, 0], [before, run, after]).absorb_runs(1.0)


def test_a_run_between_different_speakers_stays() -> None:
    assert not on_a_line([0, 50, 3], [300, 30, 200]).absorb_runs(1.0)


def test_absorbing_one_run_opens_the_way_for_the_next() -> None:
    joined = on_a_line([0, 50, 0, 70, 0], [100, 60, 90, 160, 300])
    joined.absorb_runs(1.0)
    assert inner(joined) == []


def test_a_short_segment_goes_to_the_nearer_neighbour() -> None:
    joined = on_a_line([0, 3, 8], [100, 5, 100])
    assert joined.absorb_short(6, 100.0)
    assert inner(joined) == [105]
    assert joined.centres[0, 0] == pytest.approx(15 / 105 * np.sqrt(VARIANCE))


def test_a_short_segment_that_is_like_nobody_has_no_say_in_the_centre() -> None:
    for order in (1, -1):
        joined = on_a_line([0, 30, 80][::order], [100, 5, 100])
        joined.absorb_short(6, 100.0)
        assert inner(joined) == [[105], [100]][order < 0]
        assert sorted(joined.centres[:, 0]) == pytest.approx([0, 80 * np.sqrt(VARIANCE)])


def test_short_segments_grow_together_until_they_are_long_enough() -> None:
    joined = on_a_line([0, 20, 21, 22, 60], [100, 3, 4, 3, 100])
    joined.absorb_short(10, 4.0)
    assert inner(joined) == [100, 110]


def test_all_short_segments_end_in_one() -> None:
    joined = on_a_line([0, 20, 40], [2, 3, 4])
    joined.absorb_short(100, 1.0)
    assert inner(joined) == []


def test_a_copy_is_joined_alone() -> None:
    one = on_a_line([0, 0.1, 0.2], [10] * 3)
    other = one.copy()
    other.join_alike(10.0)
    assert len(one.indices) == 4
    assert len(other.indices) == 2


def test_a_segment_can_be_measured_by_its_own_files() -> None:
    rows: NDArray[np.float32] = np.concatenate([voices([400], variance=0.02), voices([400], variance=0.08, seed=1)])
    indices = np.array([0, 400, 800])
    made = Segments(indices, segment_sums(rows, indices), np.array([400, 400]), file_variance=0.05)
    assert made.variances.tolist() == [0.05, 0.05]
    made.measure_by_own_variances()
    assert made.variances == pytest.approx([0.02, 0.074], rel=0.1)
    few = Segments(np.array([0, 1]), segment_sums(rows[:1], [0, 1]), np.array([1]), file_variance=0.05)
    few.measure_by_own_variances()
    assert few.variances == pytest.approx([0.05], rel=1e-3)
