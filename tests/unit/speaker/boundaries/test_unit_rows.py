from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.shared.errors import JobError
from scripts.speaker.boundaries.unit_rows import CHUNK_ROWS, chunks, segment_sums, unit_rows


@pytest.fixture
def rows() -> NDArray[np.float32]:
    return np.random.default_rng(3).normal(1, 1, (2 * CHUNK_ROWS + 10, 3)).astype(np.float32)


def test_rows_come_at_length_one_and_the_source_stays(rows: NDArray[np.float32]) -> None:
    before = rows.copy()
    units = unit_rows(rows, slice(5, 9))
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(units, rows[5:9] / np.linalg.norm(rows[5:9], axis=1, keepdims=True), rtol=1e-6)
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_tiny_and_huge_rows_have_a_direction_too(size: float) -> None:
    row = np.array([[3.0, -4.0]], np.float32) * np.float32(size)
    np.testing.assert_allclose(unit_rows(row, slice(0, 1)), [[0.6, -0.8]], rtol=1e-6)


@pytest.mark.parametrize(("value", "word"), [(0.0, "zero"), (np.nan, "not finite"), (np.inf, "not finite")])
def test_a_row_without_direction_is_named(rows: NDArray[np.float32], value: float, word: str) -> None:
    rows[4711] = value
    with pytest.raises(JobError, match=f"row 4711 is {word}"):
        segment_sums(rows, [0, len(rows)])
    with pytest.raises(JobError, match=f"row 4711 is {word}"):
        unit_rows(rows, np.array([3, 4711]))


def test_chunks_cover_all_rows_once() -> None:
    covered = np.concatenate([np.arange(10_000)[chunk] for chunk in chunks(10_000)])
    np.testing.assert_array_equal(covered, np.arange(10_000))


@pytest.mark.parametrize(
    "inner", [[], [1], [CHUNK_ROWS], [CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1], [7, 9, 8000], [2 * CHUNK_ROWS + 9]]
)
def test_sums_of_segments_are_those_of_their_rows(rows: NDArray[np.float32], inner: list[int]) -> None:
    indices = [0, *inner, len(rows)]
    units = unit_rows(rows, slice(0, len(rows))).astype(np.float64)
    expected = [units[start:end].sum(axis=0) for start, end in pairwise(indices)]
    np.testing.assert_allclose(segment_sums(rows, indices), expected, rtol=1e-12)


def test_a_memory_map_gives_the_same_sums(rows: NDArray[np.float32], tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    np.testing.assert_array_equal(segment_sums(mapped, [0, 5000, len(rows)]), segment_sums(rows, [0, 5000, len(rows)]))
