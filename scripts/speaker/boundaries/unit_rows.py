"""Rows of a collection at length 1, a few thousand at a time: a million of them do not fit in memory."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import JobError

CHUNK_ROWS = 4096


def unit_rows(embeddings: NDArray[np.float32], rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
    """Read some rows and bring them to length 1.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
        rows: which of them.

    Returns:
        (m, D) float32, a copy.

    Raises:
        JobError: a row is zero or not finite; embeddings that were checked when they were made never are.
    """
    picked = np.array(embeddings[rows], np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", picked, picked, dtype=np.float64))
    good = np.isfinite(lengths) & (lengths > 0)
    if not good.all():
        bad = np.flatnonzero(~good)[0]
        row = bad + (rows.start or 0) if isinstance(rows, slice) else rows[bad]
        raise JobError(
            f"embeddings: row {row} is {'zero' if lengths[bad] == 0 else 'not finite'}, so it has no direction;"
            " make that embedding again, or leave it out"
        )
    picked /= lengths[:, None].astype(np.float32)
    return picked


def chunks(n: int) -> Iterator[slice]:
    """Slices of `CHUNK_ROWS` that cover n rows in order."""
    return (slice(start, min(n, start + CHUNK_ROWS)) for start in range(0, n, CHUNK_ROWS))


def segment_sums(embeddings: NDArray[np.float32], indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum the unit rows of each segment.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
        indices: (k + 1,) ascending, first 0 and last n.

    Returns:
        (k, D) float64.
    """
    places = np.asarray(indices, np.int64)
    sums = np.zeros((len(places) - 1, embeddings.shape[1]))
    for chunk in chunks(len(embeddings)):
        first = int(np.searchsorted(places, chunk.start, side="right")) - 1
        last = int(np.searchsorted(places, chunk.stop, side="left"))
        starts = np.maximum(places[first:last] - chunk.start, 0)
        sums[first:last] += np.add.reduceat(unit_rows(embeddings, chunk), starts, axis=0, dtype=np.float64)
    return sums
