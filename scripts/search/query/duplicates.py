"""Groups of assets that are nearly equal: copies, other sizes, other crops."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from scripts.search.query.catalogue import Catalogue, Floats, Ints
from scripts.search.query.engine import Filters, chosen
from scripts.search.query.segments import score_of
from scripts.shared.errors import PolymillError

# Each is compared with each: half a minute on one core.
MAX_COMPARED = 50_000
_ROWS_AT_ONCE, _COLUMNS_AT_ONCE = 1024, 8192
_ROUNDING = np.float32(1e-6)


class TooManyError(PolymillError):
    """More assets than can be compared with each other; names the mend."""


class Group(NamedTuple):
    """Assets that hang together by pairs that are near enough.

    Attributes:
        score: the highest cosine of two of them.
        numbers: the assets, in alphabetical order.
    """

    score: float
    numbers: list[int]


def duplicates(catalogue: Catalogue, *, min_score: float, filters: Filters | None = None) -> list[Group]:
    """Groups of assets of one kind whose cosines reach a threshold; the group with the nearest pair first.

    A video stands for itself by the mean of its frames.

    Args:
        catalogue: the index.
        min_score: least cosine of a pair, above 0.
        filters: which assets to compare.

    Raises:
        TooManyError: they are more than `MAX_COMPARED`.
    """
    numbers = np.flatnonzero(chosen(catalogue, replace(filters or Filters(), min_score=None)))
    if len(numbers) > MAX_COMPARED:
        raise TooManyError(
            f"{len(numbers):,} assets are too many to compare each with each; choose at most {MAX_COMPARED:,} "
            "by path, date, tag or kind"
        )
    groups: list[Group] = []
    for is_video in (False, True):
        own = numbers[catalogue.is_video[numbers] == is_video]
        groups += _groups(catalogue, own, min_score)
    return sorted(groups, key=lambda group: (-group.score, catalogue.rank[group.numbers[0]]))


def _groups(catalogue: Catalogue, numbers: Ints, min_score: float) -> list[Group]:
    if len(numbers) < 2:
        return []
    vectors = _one_each(catalogue, numbers)
    label = np.arange(len(numbers))  # of the group of each
    best = np.full(len(numbers), -1, dtype=np.float32)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        # Strips of the upper half, each with itself left out.
        for other in range(start, len(vectors), _COLUMNS_AT_ONCE):
            scores = vectors[start : start + _ROWS_AT_ONCE] @ vectors[other : other + _COLUMNS_AT_ONCE].T
            if other == start:
                np.fill_diagonal(scores, -1)
            highest = scores.max(axis=1)
            for row in np.flatnonzero(highest >= np.float32(min_score) - _ROUNDING):
                near = label[other + np.flatnonzero(scores[row] >= np.float32(min_score) - _ROUNDING)]
                own = label[start + row]
                best[start + row] = max(best[start + row], highest[row])
                if (near != own).any():
                    joined = np.append(near, own)
                    label[np.isin(label, joined)] = joined.min()
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return [
        Group(score_of(best[places].max()), sorted(map(int, numbers[places]), key=lambda n: int(catalogue.rank[n])))
        for places in groups
        if len(places) > 1
    ]


def _one_each(catalogue: Catalogue, numbers: Ints) -> Floats:
    """One unit vector an asset, (n, dim) float32."""
    counts = np.diff(catalogue.first)[numbers]
    if (counts == 1).all():
        vectors: Floats = catalogue.vectors[catalogue.first[numbers]].astype(np.float32)
        return vectors
    means = np.stack([catalogue.vectors[catalogue.rows(int(n))].astype(np.float32).mean(axis=0) for n in numbers])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    unit: Floats = np.divide(means, lengths, out=np.zeros_like(means), where=lengths > 0)
    return unit
