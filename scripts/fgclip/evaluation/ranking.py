"""Areas under ROC and precision-recall curves, exactly, for any number of resamplings of the videos at once.

Resampling by video gives each video a weight, how often it was drawn. Of a weighted set both areas are sums over pairs
of videos of counts that do not depend on the weights: how many negative frames of video j lie at or above each positive
frame of video i. These are counted once, from ranks; then a resampling costs a matrix product and no sorting. Nothing
is binned or sampled: with all weights 1 the areas are those of scikit-learn's `roc_auc_score` and
`average_precision_score`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]

_THRESHOLDS_AT_ONCE = 4_096
_EXACT_IN_FLOAT32 = 2**24
_LEVELS = (2.5, 97.5)  # percentiles: an interval of 95 %


class _Counts(NamedTuple):
    """Frames of each video at or above, and above, some ascending thresholds; each (V, k) in the order asked for."""

    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    negative_above: NDArray[np.float64]


class Ranking:
    """Scored and labelled frames of videos.

    Args:
        scores: (n_i,) float of each video i, finite.
        labels: (n_i,) bool.

    Attributes:
        n_positive: (V,) float64, positive frames of each video.
        n_negative: (V,) float64.
    """

    def __init__(self, scores: Sequence[NDArray[np.float32]], labels: Sequence[NDArray[np.bool_]]) -> None:
        self.n_positive: NDArray[np.float64] = np.array([label.sum() for label in labels], np.float64)
        self.n_negative: NDArray[np.float64] = np.array([(~label).sum() for label in labels], np.float64)
        positive = [score[label] for score, label in zip(scores, labels, strict=True)]
        negative = [score[~label] for score, label in zip(scores, labels, strict=True)]
        # Both areas change only where a positive frame passes: all else is counted at their scores.
        self._thresholds = np.unique(np.concatenate([np.zeros(0, np.float32), *positive]))
        # A frame is at or above the first r thresholds, where r is its rank; so a frame's rank is all that matters.
        self._positive = [self._ranks(one, "right") for one in positive]
        self._negative = [self._ranks(one, "right") for one in negative]
        self._negative_above = [self._ranks(one, "left") for one in negative]
        self._wins = self._count_wins()

    def auc(
        self,
        weights: Weights,
        *,
        positives: NDArray[np.bool_] | None = None,
        negatives: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """ROC-AUC: how often a positive frame has a higher score than a negative one, ties counting half.

        Args:
            weights: (B, V), how often each video counts.
            positives: (V,) bool, videos whose positive frames count; None for all.
            negatives: (V,) bool, videos whose negative frames count; None for all.

        Returns:
            (B,) float64; NaN where the frames are all of one class.
        """
        of_positive = weights if positives is None else weights * positives
        of_negative = weights if negatives is None else weights * negatives
        won = ((of_positive @ self._wins) * of_negative).sum(1)
        return _ratio(won, (of_positive @ self.n_positive) * (of_negative @ self.n_negative))

    def average_precision(self, weights: Weights) -> NDArray[np.float64]:
        """Average precision: the mean over positive frames of the precision at their score.

        This is the sum over steps of recall, scikit-learn's `average_precision_score`; the trapezoids that some
        published programs sum come out higher where scores are few.

        Args:
            weights: as of `auc`.

        Returns:
            (B,) float64; NaN where the frames are all of one class.
        """
        n_weighted = (weights @ (self.n_positive + self.n_negative)).max(initial=0.0)
        kind = np.float32 if n_weighted < _EXACT_IN_FLOAT32 else np.float64
        by = weights.astype(kind)
        summed = np.zeros(len(weights))
        for counts in self._counts():
            above = by @ counts.positive.astype(kind)  # with one threshold more, whose frames are not of this part
            found = above[:, :-1]
            precision = _ratio(found, found + by @ counts.negative[:, :-1].astype(kind), otherwise=0.0)
            summed += ((found - above[:, 1:]) * precision).sum(1, dtype=np.float64)
        return _ratio(summed, np.where(weights @ self.n_negative > 0, weights @ self.n_positive, 0.0))

    def _ranks(self, scores: NDArray[np.float32], side: str) -> NDArray[np.int64]:
        ranks: NDArray[np.int64] = np.searchsorted(self._thresholds, np.sort(scores), side=side)  # type: ignore[call-overload]
        return ranks

    def _count_wins(self) -> NDArray[np.float64]:
        """(V, V): pairs of a positive frame of video i above a negative frame of video j; ties are half a pair."""
        wins = np.outer(self.n_positive, self.n_negative)
        for counts in self._counts():
            here = counts.positive[:, :-1] - counts.positive[:, 1:]
            wins -= here @ ((counts.negative + counts.negative_above)[:, :-1] / 2).T
        return wins

    def _counts(self) -> Iterator[_Counts]:
        """The counts at all thresholds, part by part, each with one threshold more than its own."""
        for first in range(0, len(self._thresholds), _THRESHOLDS_AT_ONCE):
            n = min(_THRESHOLDS_AT_ONCE, len(self._thresholds) - first)
            yield _Counts(
                *(
                    np.stack([_n_above(ranks, first, n + 1) for ranks in of])
                    for of in (self._positive, self._negative, self._negative_above)
                )
            )


def _n_above(ranks: NDArray[np.int64], first: int, n: int) -> NDArray[np.float64]:
    """How many of some ascending ranks are larger than `first`, `first + 1`, ... `first + n - 1`."""
    start, end = np.searchsorted(ranks, (first + 1, first + n))
    passed = np.bincount(ranks[start:end] - first, minlength=n)
    above: NDArray[np.float64] = (len(ranks) - start - np.cumsum(passed)).astype(np.float64)
    return above


def _ratio(part: NDArray[Any], whole: NDArray[Any], *, otherwise: float = np.nan) -> NDArray[Any]:
    """Quotients of floats, `otherwise` where there is nothing to divide by."""
    quotients: NDArray[Any] = np.divide(part, whole, out=np.full_like(part, otherwise), where=whole > 0)
    return quotients


def draw_videos(n: int, *, samples: int, seed: int) -> Weights:
    """How often each of n videos counts: (1 + samples, n), first each once, then resampled with replacement.

    Source: Efron and Tibshirani 1993; whole videos, because frames of a video are right or wrong together.
    """
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=samples)
    return np.concatenate([np.ones((1, n)), drawn])


def interval(samples: NDArray[np.float64]) -> tuple[float, float] | None:
    """Ends of the interval of 95 %; None where no resampling gave a value."""
    known = samples[~np.isnan(samples)]
    if not len(known):
        return None
    low, high = np.percentile(known, _LEVELS)
    return float(low), float(high)
