"""How far a recall, or the difference of two, would move with other queries of the same kind: the paired bootstrap.

Source: Efron and Tibshirani 1993, percentile intervals; resampled are groups of queries about one picture, because the
five captions of a picture fail together.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLES = 2_000
_LEVELS = (2.5, 97.5)  # percentiles: an interval of 95 %


class Interval(NamedTuple):
    """A measured value and the ends of its interval of 95 %."""

    value: float
    low: float
    high: float


def mean_interval(
    values: NDArray[np.float64], groups: Sequence[Hashable], *, seed: int, samples: int = SAMPLES
) -> list[Interval]:
    """Means over queries, with intervals.

    For a difference of two models give the differences of their values query by query: that pairs them.

    Args:
        values: (n, m) of n queries, n at least 1, and m measures.
        groups: (n,) what a query is about; those about one thing are resampled together.
        seed: of the resampling.
        samples: how often is resampled.

    Returns:
        An interval a measure.
    """
    values = np.asarray(values, np.float64)
    place = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    member = np.fromiter((place[group] for group in groups), np.int64, len(values))
    size = np.bincount(member)
    sums = np.stack([np.bincount(member, column) for column in values.T], axis=1)
    # Drawing groups with replacement is drawing how many of each kind there are: few kinds, however many queries.
    kinds, counts = np.unique(np.column_stack([size, sums]), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(size), counts / counts.sum(), size=samples)
    totals = drawn @ kinds
    low, high = np.percentile(totals[:, 1:] / totals[:, :1], _LEVELS, axis=0)
    return [Interval(*map(float, one)) for one in zip(values.mean(axis=0), low, high, strict=True)]


def hit_values(hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Percentages a query contributes: (n, 4) of recall at 1, 5, 10 and their mean, from the (n, 3) hits."""
    values = 100.0 * hits.astype(np.float64)
    return np.column_stack([values, values.mean(axis=1)])
