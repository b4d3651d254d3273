"""How far files lie from their segment's centre, and centres that single bad files do not pull."""

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.unit_rows import chunks, segment_sums, unit_rows

SAMPLED_ROWS = 20_000
STRANGER = 4.0  # variances from a centre on which a file is nobody's: two radii


class FileSpread:
    """Measures the variance of files around the centres of their segments, on a sample of the rows.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
    """

    def __init__(self, embeddings: NDArray[np.float32]) -> None:
        n = len(embeddings)
        self._rows = np.unique(np.linspace(0, n - 1, min(n, SAMPLED_ROWS)).astype(np.int64))
        self._units = unit_rows(embeddings, self._rows)

    def variance(self, indices: NDArray[np.int64], centres: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
        """Median over the files of their squared distance to the centre, made good for the centre's own files.

        Args:
            indices: (k + 1,) int64 where segments begin and end, first 0 and last n.
            centres: (k, D) float64.
            weights: (k,) float64 files that each centre is the mean of.

        Returns:
            The variance; 0 where each segment is one file.
        """
        segment = np.searchsorted(indices, self._rows, side="right") - 1
        squares = np.empty(len(self._rows))
        for at in range(0, len(squares), 2048):
            part = slice(at, at + 2048)
            squares[part] = _squared_distances(self._units[part], centres, segment[part])
        n_files = weights[segment]
        known = n_files > 1
        return float(np.median(squares[known] * n_files[known] / (n_files[known] - 1))) if known.any() else 0.0


def trimmed_sums(
    embeddings: NDArray[np.float32], indices: NDArray[np.int64], *, radius_squared: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum the unit rows of each segment that lie near its mean; all of them where that is less than half.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
        indices: (k + 1,) int64 where segments begin and end, first 0 and last n.
        radius_squared: squared distance within which a row is near.

    Returns:
        (k, D) float64 sums; (k,) int64 how many rows each is of.
    """
    all_sums = segment_sums(embeddings, indices)
    lengths = np.diff(indices)
    means = all_sums / lengths[:, None]
    sums = np.zeros_like(all_sums)
    counts = np.zeros(len(lengths), np.int64)
    for chunk in chunks(len(embeddings)):
        units = unit_rows(embeddings, chunk)
        segment = np.searchsorted(indices, np.arange(chunk.start, chunk.stop), side="right") - 1
        near = _squared_distances(units, means, segment) < radius_squared
        units[~near] = 0
        first, last = segment[0], segment[-1] + 1
        starts = np.searchsorted(segment, np.arange(first, last))
        sums[first:last] += np.add.reduceat(units, starts, axis=0, dtype=np.float64)
        counts[first:last] += np.add.reduceat(near, starts, dtype=np.int64)
    scattered = 2 * counts < lengths
    sums[scattered], counts[scattered] = all_sums[scattered], lengths[scattered]
    return sums, counts


def _squared_distances(
    units: NDArray[np.float32], centres: NDArray[np.float64], segment: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(m,) float32 squared distance of each row to the centre of its segment."""
    first = int(segment[0])
    apart = units - centres[first : segment[-1] + 1].astype(np.float32)[segment - first]
    return np.asarray(np.einsum("ij,ij->i", apart, apart))
