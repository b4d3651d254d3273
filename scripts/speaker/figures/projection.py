"""Embeddings on a plane: principal components of evenly spaced files."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.unit_rows import unit_rows


class Projection(NamedTuple):
    """Files on their principal components.

    Attributes:
        rows: (p,) int64, which files.
        places: (p, k) float64.
        shares: (k,) float64, part of the variance that each component has, 0 to 1.
    """

    rows: NDArray[np.int64]
    places: NDArray[np.float64]
    shares: NDArray[np.float64]


def project(embeddings: NDArray[np.float32], *, n_files: int, n_components: int) -> Projection:
    """Project unit vectors on their principal components.

    Args:
        embeddings: (n, D), n at least 1; may be a memory map.
        n_files: the most files taken, evenly spaced over the collection.
        n_components: how many components; those that the data does not have are 0.
    """
    n = len(embeddings)
    rows = np.arange(min(n, n_files), dtype=np.int64) * n // min(n, n_files)
    units = unit_rows(embeddings, rows).astype(np.float64)
    units -= units.mean(axis=0)
    variances, directions = np.linalg.eigh(units.T @ units)
    kept = min(n_components, len(variances))
    variances, directions = variances[::-1][:kept].clip(min=0), directions[:, ::-1][:, :kept]
    # Which way a component points is arbitrary: its largest part is made positive, to draw it alike everywhere.
    largest = np.abs(directions).argmax(axis=0)
    directions = directions * np.where(directions[largest, np.arange(kept)] < 0, -1.0, 1.0)
    total = float((units**2).sum())
    missing = n_components - kept
    return Projection(
        rows,
        np.pad(units @ directions, ((0, 0), (0, missing))),
        np.pad(variances / total if total > 0 else np.zeros(kept), (0, missing)),
    )
