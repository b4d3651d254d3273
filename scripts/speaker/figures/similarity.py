"""Cosine similarities of a collection, in passes over a memory-mapped array."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.unit_rows import chunks, segment_sums, unit_rows


class Columns(NamedTuple):
    """Values gathered into columns.

    Attributes:
        edges: (c + 1,) int64, which values are in which column.
        minimum: (c,) float64.
        median: (c,) float64.
    """

    edges: NDArray[np.int64]
    minimum: NDArray[np.float64]
    median: NDArray[np.float64]


def even_edges(n: int, most: int) -> NDArray[np.int64]:
    """Bounds of at most `most` stretches of 0 .. n, n at least 1: none is empty, lengths differ by one at most."""
    n_stretches = min(n, most)
    return np.arange(n_stretches + 1, dtype=np.int64) * n // n_stretches


def adjacent_similarity(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each row and the next.

    Args:
        embeddings: (n, D) rows of any length, n at least 1, possibly a memory map.

    Returns:
        (n - 1,) float32.
    """
    cosines = np.empty(len(embeddings) - 1, np.float32)
    for chunk in chunks(len(embeddings)):
        before = max(chunk.start - 1, 0)
        units = unit_rows(embeddings, slice(before, chunk.stop))
        cosines[before : chunk.stop - 1] = np.einsum("ij,ij->i", units[:-1], units[1:])
    return cosines


def block_means(embeddings: NDArray[np.float32], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means of the unit rows between two edges: their products are the mean cosines between the stretches.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
        edges: (b + 1,) ascending, first 0 and last n.

    Returns:
        (b, D) float64.
    """
    return segment_sums(embeddings, edges) / np.diff(edges)[:, np.newaxis]


def gather(values: NDArray[np.float32], most: int) -> Columns:
    """Gather values into at most `most` columns of nearly equal numbers.

    Args:
        values: (m,), m at least 1.
        most: pixels there are room for.
    """
    edges = even_edges(len(values), most)
    medians = [np.median(values[start:end]) for start, end in pairwise(edges.tolist())]
    return Columns(edges, np.minimum.reduceat(values, edges[:-1]).astype(np.float64), np.array(medians, np.float64))
