import numpy as np
import pytest

from scripts.speaker.boundaries.spread import FileSpread, trimmed_sums
from scripts.speaker.boundaries.unit_rows import CHUNK_ROWS, segment_sums
from tests.unit.speaker.boundaries.voices import voices


@pytest.mark.parametrize("length", [4, 40])
def test_the_variance_of_files_does_not_depend_on_how_many_a_segment_has(length: int) -> None:
    rows = voices([4000])
    indices = np.arange(0, 4001, length)
    weights = np.full(len(indices) - 1, float(length))
    centres = segment_sums(rows, indices) / length
    expected = np.median(np.sum((rows - rows.mean(axis=0)) ** 2, axis=1))
    assert FileSpread(rows).variance(indices, centres, weights) == pytest.approx(expected, rel=0.03)


def test_segments_of_one_file_say_nothing_about_the_variance() -> None:
    rows = voices([3])
    assert FileSpread(rows).variance(np.arange(4), rows.astype(float), np.ones(3)) == 0


def test_bad_files_have_no_part_in_a_trimmed_sum() -> None:
    rows = voices([CHUNK_ROWS + 50, 60])
    indices = np.array([0, CHUNK_ROWS + 50, len(rows)])
    bad = np.array([3, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 55])
    rows[bad] = np.eye(24)[7]
    sums, counts = trimmed_sums(rows, indices, radius_squared=0.2)
    assert counts.tolist() == [CHUNK_ROWS + 47, 59]
    kept = np.delete(rows, bad, axis=0).astype(np.float64)
    np.testing.assert_allclose(
        sums, [kept[: CHUNK_ROWS + 47].sum(axis=0), kept[-59:].sum(axis=0)], rtol=1e-5, atol=1e-4
    )


@pytest.mark.parametrize(("alike", "kept"), [(0, 10), (4, 10), (5, 5), (8, 8)])
def test_a_segment_of_which_less_than_half_is_near_the_mean_keeps_all_its_files(alike: int, kept: int) -> None:
    rows = np.eye(10, dtype=np.float32)
    rows[:alike] = rows[0]
    sums, counts = trimmed_sums(rows, np.array([0, 10]), radius_squared=0.6)
    assert counts.tolist() == [kept]
    np.testing.assert_allclose(sums, [rows.sum(axis=0) if kept == 10 else kept * rows[0]])
