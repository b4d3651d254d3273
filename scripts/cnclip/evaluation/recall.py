"""Recall at 1, 5 and 10: a query is answered when any right id is among the first k; also what chance would answer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DEPTHS = (1, 5, 10)
LONGEST = DEPTHS[-1]
MEASURES = ("r1", "r5", "r10", "mean_recall")


def answered(found: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    """Which queries have a right id among the first 1, 5 and 10.

    Args:
        found: of each query the ids found, best first.
        answers: of each query the right ids; a query without any is missed.

    Returns:
        (n, 3) by query and depth.
    """
    hits = np.zeros((len(found), len(DEPTHS)), np.bool_)
    for query, (ids, right) in enumerate(zip(found, map(set, answers), strict=True)):
        place = next((place for place, one in enumerate(ids) if one in right), LONGEST)
        hits[query] = [place < depth for depth in DEPTHS]
    return hits


def recalls(hits: NDArray[np.bool_]) -> dict[str, float]:
    """Percentages as the official score files have them.

    Args:
        hits: (n, 3) of `answered`, n at least 1.

    Returns:
        `r1`, `r5`, `r10` and their mean, `mean_recall`.
    """
    values = [int(count) / len(hits) * 100.0 for count in hits.sum(axis=0)]
    return dict(zip(MEASURES, [*values, sum(values) / len(values)], strict=True))


def chance(n_answers: Sequence[int], n_gallery: int) -> dict[str, float]:
    """Percentages that a random order of the gallery is expected to reach.

    At depth 1 this is the share of right ids in the gallery; deeper it is one minus the hypergeometric probability
    that none of k draws is right.

    Args:
        n_answers: of each query how many ids of the gallery are right.
        n_gallery: ids of the gallery, at least 1.
    """
    kinds, counts = np.unique(np.asarray(n_answers, np.int64), return_counts=True)
    values = []
    for depth in DEPTHS:
        k = min(depth, n_gallery)
        draws = np.arange(k)
        missed = np.clip((n_gallery - kinds[:, None] - draws) / (n_gallery - draws), 0.0, 1.0).prod(axis=1)
        values.append(100.0 * float(((1.0 - missed) * counts).sum() / counts.sum()))
    return dict(zip(MEASURES, [*values, sum(values) / len(values)], strict=True))
