"""How sure a boundary is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.noise import Noise, estimate_noise
from scripts.speaker.boundaries.places import REACH, Places, weigh_places
from scripts.speaker.boundaries.spread import STRANGER, FileSpread, trimmed_sums
from scripts.speaker.boundaries.unit_rows import segment_sums


@dataclass(frozen=True)
class Described:
    """How sure a boundary is.

    Attributes:
        margin: log units to the likeliest other place within 50 files; negative where that place is likelier, infinite
            where there is no other.
        confidence: probability of this place among those within 50 files.
        distance_ratio: squared distance of the centres, less what their noise adds, over the within-speaker variance.
    """

    margin: float
    confidence: float
    distance_ratio: float


def describe(embeddings: NDArray[np.float32], indices: Sequence[int] | NDArray[np.int64]) -> list[Described]:
    """Say how sure each inner boundary is, whoever found it.

    Args:
        embeddings: (n, D) rows of any length in the order of the collection, possibly a memory map.
        indices: (k + 2,) ascending boundaries with both ends, first 0 and last n.

    Returns:
        One for each of the k inner boundaries.

    Raises:
        JobError: a row is zero or not finite.
    """
    places = np.asarray(indices, np.int64)
    if len(places) <= 2:
        return []
    noise = estimate_noise(embeddings, block=1)
    variance = within_variance(embeddings, places, noise)
    margins, confidences = _certainty(weigh_places(embeddings, places, noise=noise, variance=variance))
    ratios = _distance_ratios(embeddings, places, variance)
    return [
        Described(float(margin), float(confidence), float(ratio))
        for margin, confidence, ratio in zip(margins, confidences, ratios, strict=True)
    ]


def within_variance(embeddings: NDArray[np.float32], indices: NDArray[np.int64], noise: Noise) -> float:
    """Variance within a speaker: the median over the files, at least that of the noise.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
        indices: (k + 1,) int64 where speakers begin and end, first 0 and last n.
        noise: of one file.
    """
    lengths = np.diff(indices)
    centres = segment_sums(embeddings, indices) / lengths[:, None]
    return max(noise.trace, FileSpread(embeddings).variance(indices, centres, lengths.astype(np.float64)))


def _certainty(places: Places) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(k,) margins and (k,) confidences of the middle places."""
    chosen = places.log_odds[:, REACH]
    others = places.log_odds.copy()
    others[:, REACH] = -np.inf
    return chosen - others.max(axis=1), places.probabilities[:, REACH]


def _distance_ratios(
    embeddings: NDArray[np.float32], indices: NDArray[np.int64], variance: float
) -> NDArray[np.float64]:
    """(k,) squared distances of neighbouring centres in within-speaker variances."""
    sums, counts = trimmed_sums(embeddings, indices, radius_squared=STRANGER * variance)
    apart = np.diff(sums / counts[:, None], axis=0)
    noise = variance * (1 / counts[1:] + 1 / counts[:-1])
    return np.asarray((np.einsum("ij,ij->i", apart, apart) - noise) / variance)
