"""How much the files of one speaker differ, measured before any speaker is known."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.unit_rows import unit_rows

KEPT_PART = 0.9  # the largest differences hold changes of speaker and bad files
MOST_DIFFERENCES = 20_000
LEAST_VARIANCE = 1e-8  # of files that are all the same: float32 rows of length 1 are not exact to less


@dataclass(frozen=True)
class Noise:
    """Covariance of one file around its speaker's centre.

    Attributes:
        covariance: (D, D) float64.
        trace: its trace: the variance within a speaker.
        trace_of_square: trace of its square.
        largest: its largest eigenvalue.
    """

    covariance: NDArray[np.float64]
    trace: float
    trace_of_square: float
    largest: float


def estimate_noise(embeddings: NDArray[np.float32], *, block: int) -> Noise:
    """Measure the noise from differences of the means of adjacent blocks.

    Means of b files that are alike keep what neighbours have in common, so the noise of larger blocks covers files
    that resemble their neighbours.

    Args:
        embeddings: (n, D) rows of any length, n at least 2, possibly a memory map.
        block: files a block; fewer where the collection is short.
    """
    n, _ = embeddings.shape
    block = max(1, min(block, n // 2))
    n_differences = n // block - 1
    picks = np.unique(np.linspace(0, n_differences - 1, min(n_differences, MOST_DIFFERENCES)).astype(np.int64))
    differences = _differences(embeddings, picks * block, block)
    squares = np.einsum("ij,ij->i", differences, differences)
    kept = differences[squares <= np.quantile(squares, KEPT_PART)]
    covariance = (kept.T @ kept) * (block / 2 / len(kept))
    return _noise(covariance, float(np.median(squares)) * block / 2)


def false_alarm_penalty(noise: Noise, n: int) -> float:
    """Gain of a boundary that noise alone exceeds anywhere among n files with a chance of at most 1 / n.

    A boundary inside one speaker gains the square of a vector of this covariance. By Laurent and Massart (2000),
    lemma 1, it exceeds the penalty with a chance below exp(-L), L = 2 ln n.
    """
    exponent = 2 * math.log(n)
    return noise.trace + 2 * math.sqrt(noise.trace_of_square * exponent) + 2 * noise.largest * exponent


def _differences(embeddings: NDArray[np.float32], starts: NDArray[np.int64], block: int) -> NDArray[np.float64]:
    """(m, D) mean of the block at each start minus the mean of the block after it."""
    differences = np.empty((len(starts), embeddings.shape[1]))
    for at in range(0, len(starts), 512):
        rows = starts[at : at + 512, None] + np.arange(2 * block)
        units = unit_rows(embeddings, rows.ravel()).reshape(len(rows), 2, block, -1)
        means = units.mean(axis=2, dtype=np.float64)
        differences[at : at + 512] = means[:, 0] - means[:, 1]
    return differences


def _noise(covariance: NDArray[np.float64], median: float) -> Noise:
    """Rescale a covariance so that its trace is the one whose median square is given."""
    trace = float(np.trace(covariance))
    if min(trace, median) < LEAST_VARIANCE:
        covariance, median = np.eye(len(covariance)), LEAST_VARIANCE
        trace = float(len(covariance))
    freedom = trace**2 / float(np.sum(covariance**2))
    # Wilson and Hilferty: the median of a chi-squared of v degrees of freedom is v (1 - 2 / (9 v))^3.
    scaled = covariance * (median / (1 - 2 / (9 * freedom)) ** 3 / trace)
    largest = float(np.linalg.eigvalsh(scaled)[-1])
    return Noise(scaled, float(np.trace(scaled)), float(np.sum(scaled**2)), largest)
