"""From segments to speakers: a change is not yet another person."""

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.boundaries.segments import Segments
from scripts.speaker.boundaries.sessions import join_sessions
from scripts.speaker.boundaries.spread import STRANGER, FileSpread, trimmed_sums


def first_segments(
    embeddings: NDArray[np.float32], indices: NDArray[np.int64], *, file_variance: float, likeness: float
) -> Segments:
    """Segments as the search by penalty gives them.

    Args:
        embeddings: (n, D) rows of any length, possibly a memory map.
        indices: (k + 1,) int64 where segments begin and end, first 0 and last n.
        file_variance: variance of a file around its segment's centre.
        likeness: by how much likeness of neighbours raises the noise of a centre.
    """
    sums, weights = trimmed_sums(embeddings, indices, radius_squared=STRANGER * file_variance)
    return Segments(indices, sums, weights, file_variance=file_variance, likeness=likeness)


def find_speakers(
    segments: Segments, spread: FileSpread, *, file_variance: float, distance_ratio: float, min_segment: int
) -> Segments:
    """Join segments until each is a speaker.

    Args:
        segments: as the search by penalty gives them; they are changed.
        spread: measures the variance within them.
        file_variance: what `segments` take for the variance of a file.
        distance_ratio: squared distance of two speakers' centres over the variance within a speaker, at least.
        min_segment: fewest files of a speaker.
    """

    def settle(joined: Segments, growth: float, ratio: float) -> float:
        while True:
            variance = spread.variance(joined.indices, joined.centres, joined.weights[joined.alive])
            growth = max(growth, variance / file_variance)
            if not joined.join_once(ratio * growth, min_segment):
                return growth

    # Half the ratio joins what was never two: cuts that the likeness of neighbours made, and both sides of a bad run.
    growth = settle(segments, 1.0, distance_ratio / 2)
    of_sessions = join_sessions(segments, distance_ratio=distance_ratio, min_segment=min_segment)
    if of_sessions is not None:
        return of_sessions
    settle(segments, growth, distance_ratio)
    return segments


def join_down_to(segments: Segments, n_speakers: int, *, distance_ratio: float, min_segment: int) -> None:
    """Join segments until so many are left: bad runs and short ones first, then the nearest neighbours.

    Args:
        segments: at least as many; they are changed.
        n_speakers: how many to leave.
        distance_ratio: as for `find_speakers`; half of it makes the two sides of a bad run one speaker.
        min_segment: fewest files of a speaker.
    """
    limit = distance_ratio / 2
    segments.absorb_runs(limit, fewest=n_speakers)
    segments.absorb_short(min_segment, limit, fewest=n_speakers)
    segments.join_alike(np.inf, fewest=n_speakers)
