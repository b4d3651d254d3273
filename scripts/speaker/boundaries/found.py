"""What a boundary search found. Imports nothing of the project."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Boundary:
    """One place where the speaker changes.

    Attributes:
        index: first row of the next speaker, in 1 .. n - 1.
        score: what the search maximised at this place, in its own unit (changepoint: how much the two segments' squared
            distance to their means falls by the boundary); None where nothing was scored.
        margin: log units to the second best place, at least 0 at the best place; infinite where there is no other.
        confidence: probability that the change is at exactly this place, given that there is one near it.
        distance_ratio: squared distance of the centres, less what their noise adds, over the within-speaker variance.
        reliable: False where the search itself doubts the boundary: the centres are too near for two speakers, or the
            best place of a walking method lies at the edge of its window.
        theoretical_index: where a walking method expected the boundary.
        fallback_to_cosine: True where `gmm` could not fit its mixtures.
        scores: (index, score) of every place looked at, for `debug`.
    """

    index: int
    score: float | None
    margin: float
    confidence: float
    distance_ratio: float
    reliable: bool = True
    theoretical_index: int | None = None
    fallback_to_cosine: bool = False
    scores: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Found:
    """The boundaries of one collection.

    Attributes:
        n: rows of the collection.
        boundaries: the inner boundaries, ascending by index.
        method: `changepoint`, `cosine` or `gmm`.
        parameters: what the search used, ready for JSON.
    """

    n: int
    boundaries: tuple[Boundary, ...]
    method: str
    parameters: dict[str, Any]

    @property
    def indices(self) -> list[int]:
        """Boundaries with both ends: [0, ..., n]."""
        return [0, *(boundary.index for boundary in self.boundaries), self.n]
