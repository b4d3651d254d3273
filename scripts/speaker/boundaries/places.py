"""How likely a boundary is at each place around the one that was found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.noise import Noise
from scripts.speaker.boundaries.spread import STRANGER
from scripts.speaker.boundaries.unit_rows import unit_rows

REACH = 50  # places looked at to either side
SIDE = 100  # files that tell a side's centre: the session next to the boundary counts, not the whole speaker
MEASURED = 0.7  # of the metric is the noise as measured, the rest is the same in all directions
MOST_SAID = 4.0  # log odds of one file
STRANGER_SAYS = 0.1  # of what a file says that is near one of the speakers
BATCH = 32


@dataclass(frozen=True)
class Places:
    """Log likelihood of the places around each inner boundary.

    Attributes:
        first: (k,) int64 place that the first column stands for.
        log_odds: (k, 2 REACH + 1) float64, up to a constant a row; -inf at the neighbouring boundaries and beyond.
    """

    first: NDArray[np.int64]
    log_odds: NDArray[np.float64]

    @property
    def best(self) -> NDArray[np.int64]:
        """(k,) int64 the likeliest places."""
        return np.asarray(self.first + np.argmax(self.log_odds, axis=1))

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(k, 2 REACH + 1) float64 of each place among those of its row."""
        odds = np.exp(self.log_odds - self.log_odds.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def weigh_places(
    embeddings: NDArray[np.float32], indices: NDArray[np.int64], *, noise: Noise, variance: float
) -> Places:
    """Rate the places around each boundary by which of the two speakers each file between is like.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
        indices: (k + 2,) int64 boundaries with both ends.
        noise: of one file.
        variance: within a speaker.
    """
    inner = indices[1:-1]
    metric = _metric(noise, embeddings.shape[1])
    batches = []
    for at in range(0, len(inner), BATCH):
        middle = inner[at : at + BATCH, None]
        low, high = indices[at:-2][:BATCH, None], indices[at + 2 :][:BATCH, None]
        rows = middle + np.arange(-SIDE, SIDE)
        inside = (rows >= low) & (rows < high)
        units = unit_rows(embeddings, np.clip(rows, low, high - 1).ravel()).reshape(*rows.shape, -1)
        sides = np.stack([inside & (rows < middle), inside & (rows >= middle)], axis=1)
        odds = np.where(inside, _log_odds(units, sides, metric, variance), 0.0)
        # Files before a place speak for the left speaker; column j of the sum ends with row j, before place j + 1.
        total = -np.cumsum(odds, axis=1)[:, SIDE - REACH - 1 : SIDE + REACH]
        places = middle + np.arange(-REACH, REACH + 1)
        batches.append(np.where((places > low) & (places < high), total, -np.inf))
    return Places(inner - REACH, np.concatenate([np.empty((0, 2 * REACH + 1)), *batches]))


def _metric(noise: Noise, dim: int) -> NDArray[np.float32]:
    """(D, D) float32 inverse of the noise, drawn towards a noise that is the same in all directions."""
    shrunk = MEASURED * noise.covariance + (1 - MEASURED) * noise.trace / dim * np.eye(dim)
    return np.asarray(np.linalg.inv(shrunk), np.float32)


def _log_odds(
    units: NDArray[np.float32], sides: NDArray[np.bool_], metric: NDArray[np.float32], variance: float
) -> NDArray[np.float32]:
    """(b, m) float32 log odds of each file to be the right speaker's.

    Args:
        units: (b, m, D) unit rows around b boundaries.
        sides: (b, 2, m) which of them are taken for the left and for the right speaker's.
        metric: (D, D) inverse of the noise.
        variance: within a speaker.
    """
    centres = _means(units, sides)
    near = sides & (_squared_distances(units, centres) < STRANGER * variance)
    scattered = 2 * near.sum(axis=2) < sides.sum(axis=2)
    near[scattered] = sides[scattered]
    centres = _means(units, near)
    direction = (centres[:, 1] - centres[:, 0]) @ metric
    middle = np.einsum("bd,bd->b", centres.mean(axis=1), direction)
    odds = np.clip((units @ direction[:, :, None])[:, :, 0] - middle[:, None], -MOST_SAID, MOST_SAID)
    strange = (_squared_distances(units, centres) > STRANGER * variance).all(axis=1)
    return np.asarray(np.where(strange, np.float32(STRANGER_SAYS) * odds, odds))


def _means(units: NDArray[np.float32], chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(b, 2, D) float32 means of the chosen rows of each side."""
    return np.asarray(chosen.astype(np.float32) @ units / chosen.sum(axis=2, dtype=np.float32)[:, :, None])


def _squared_distances(units: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    """(b, 2, m) float32 squared distances of unit rows to the two centres."""
    square = np.einsum("bsd,bsd->bs", centres, centres)
    return np.asarray(1 + square[:, :, None] - 2 * (centres @ units.transpose(0, 2, 1)))
