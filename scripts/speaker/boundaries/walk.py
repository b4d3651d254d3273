"""Walking from boundary to boundary with an expected length, as scripts in the field do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.confidence import describe
from scripts.speaker.boundaries.found import Boundary, Found
from scripts.speaker.boundaries.options import check_window
from scripts.speaker.boundaries.unit_rows import unit_rows


@dataclass(frozen=True)
class Window:
    """Where the next boundary is searched, and the files around it.

    Attributes:
        units: (m, D) float32 unit rows of the segment before the expected place and of the one after it.
        start: row of the collection that `units` begins with.
        theoretical: the expected place, a row of the collection.
        reach: places looked at to either side of it.
    """

    units: NDArray[np.float32]
    start: int
    theoretical: int
    reach: int

    @property
    def places(self) -> NDArray[np.int64]:
        """(2 reach + 1,) int64 places to choose from, as rows of `units`."""
        return np.arange(-self.reach, self.reach + 1) + (self.theoretical - self.start)

    @property
    def left(self) -> NDArray[np.float32]:
        """Rows that lie before every place."""
        return self.units[: self.places[0]]

    @property
    def right(self) -> NDArray[np.float32]:
        """Rows that lie after every place."""
        return self.units[self.places[-1] :]


@dataclass(frozen=True)
class Scores:
    """How good each place of a window is: (places,) float64, and whether `gmm` had to do as `cosine` does."""

    values: NDArray[np.float64]
    fallback_to_cosine: bool = False


def walk(
    embeddings: NDArray[np.float32],
    score: Callable[[Window], Scores],
    *,
    method: str,
    segment_size: int,
    boundary_window: int,
    distance_ratio: float,
    debug: bool,
    **parameters: Any,
) -> Found:
    """Search each boundary around the place that the one before it and the expected length promise.

    One speaker of another length and all that follows is lost: so each boundary says whether it is reliable.

    Args:
        embeddings: (n, D) rows of any length in the order of the collection, possibly a memory map.
        score: rates the places of a window; the first of the best is taken.
        method: name of the walk for the result.
        segment_size: files that a speaker is expected to have. A collection with no more is left whole.
        boundary_window: places looked at to either side of the expected one; fewer than `segment_size`.
        distance_ratio: least squared distance of two speakers, in within-speaker variances, to rely on a boundary.
        debug: keep the scores of all places.
        parameters: what else the search used, for the result.

    Raises:
        ConfigError: the window is as long as a segment, so that no file is surely on either side.
        JobError: a row is zero or not finite.
    """
    check_window(segment_size, boundary_window)
    n = len(embeddings)
    steps: list[tuple[int, int, Scores]] = []
    start = 0
    # The last window has a file behind it: a speaker all of whose files lie inside a window cannot be told.
    while (theoretical := start + segment_size) + boundary_window < n:
        units = unit_rows(embeddings, slice(start, min(n, theoretical + segment_size)))
        window = Window(units, start, theoretical, boundary_window)
        scores = score(window)
        start += int(window.places[np.argmax(scores.values)])
        steps.append((start, theoretical, scores))
    described = describe(embeddings, [0, *(index for index, _, _ in steps), n])
    boundaries = tuple(
        Boundary(
            index=index,
            score=float(scores.values.max()),
            margin=about.margin,
            confidence=about.confidence,
            distance_ratio=about.distance_ratio,
            # Where a walk is lost, its segments hold parts of several speakers, which differ: but then another place
            # nearby is the likelier one.
            reliable=abs(index - theoretical) < boundary_window
            and about.distance_ratio >= distance_ratio
            and about.margin >= 0,
            theoretical_index=theoretical,
            fallback_to_cosine=scores.fallback_to_cosine,
            scores=_all_scores(theoretical - boundary_window, scores) if debug else (),
        )
        for (index, theoretical, scores), about in zip(steps, described, strict=True)
    )
    settings = {"segment_size": segment_size, "boundary_window": boundary_window, "distance_ratio": distance_ratio}
    return Found(n, boundaries, method, {**settings, **parameters})


def _all_scores(first: int, scores: Scores) -> tuple[tuple[int, float], ...]:
    return tuple((first + place, float(value)) for place, value in enumerate(scores.values))
