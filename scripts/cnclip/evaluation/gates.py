"""What is refused instead of being scored: features that are no numbers, and a model that answers all queries alike.

A model that returns the same ten pictures for each text still gets a score (on Flickr30k-CN exactly 0.1, 0.5 and 1.0
percent), and such figures have been published as a model's recall. So they are never made here.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import PolymillError

_COLLAPSED = "the model has collapsed, or was never trained; no score is made"
MOST_ALIKE = 0.5  # of the queries may share one list
_FEWEST_LISTS = 10  # with fewer queries, or a smaller gallery, the same list may well be right
_ROWS = 65_536


class RefusedModelError(PolymillError):
    """A model's answers are not worth a score; its text says why."""


def refuse_non_finite(features: NDArray[np.float32], what: str) -> None:
    """Look through features, block by block.

    Args:
        features: (n, d); may be a memory map.
        what: the features in words.

    Raises:
        RefusedModelError: one is NaN or infinite.
    """
    n_bad = 0
    for start in range(0, len(features), _ROWS):
        n_bad += int((~np.isfinite(features[start : start + _ROWS]).all(axis=1)).sum())
    if n_bad:
        raise RefusedModelError(
            f"{n_bad:,} of {len(features):,} {what} hold NaN or infinity: the model is broken, as by training in pure "
            "fp16; no score is made"
        )


def refuse_alike(features: NDArray[np.float32], what: str) -> None:
    """Look whether a model gives most things one vector.

    Args:
        features: (n, d), finite.
        what: the features in words.

    Raises:
        RefusedModelError: more than half of ten rows or more are equal.
    """
    if len(features) < _FEWEST_LISTS:
        return
    ((_, most),) = Counter(row.tobytes() for row in features).most_common(1)
    if most > MOST_ALIKE * len(features):
        raise RefusedModelError(f"{most:,} of {len(features):,} {what} are equal: {_COLLAPSED}")


def refuse_collapsed(lists: Sequence[Sequence[int]] | NDArray[np.int64], *, n_gallery: int, what: str) -> None:
    """Look whether a model answers most queries alike.

    Args:
        lists: of each query the ids found, best first. Queries that are equal count once each, so give distinct ones.
        n_gallery: how many there were to choose from.
        what: the queries in words.

    Raises:
        RefusedModelError: more than half of the queries have one list in common.
    """
    if len(lists) < _FEWEST_LISTS or n_gallery < _FEWEST_LISTS:
        return
    ((_, most),) = Counter(tuple(map(int, ids)) for ids in lists).most_common(1)
    if most > MOST_ALIKE * len(lists):
        raise RefusedModelError(f"{most:,} of {len(lists):,} {what} get the same list of answers: {_COLLAPSED}")
