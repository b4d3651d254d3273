"""Speakers who recorded in sessions that differ as much as their files do.

Two sessions of one speaker can be as far apart as two similar speakers: no distance tells which it is, the collection
must. Similar speakers meet now and then, two in a row; sessions come in rows of three and more, in speaker after
speaker, and between them and the speakers proper there is a gap.
"""

import numpy as np

from scripts.speaker.boundaries.segments import Segments

GROWTH = 2.0  # variance within a speaker over that of a file, where sessions add as much again
FEWEST_SPEAKERS = 3  # with three sessions or more
GAP = 1.5  # factor above the limit in which hardly a boundary lies
HARDLY = 0.1  # of the joined ones


def join_sessions(segments: Segments, *, distance_ratio: float, min_segment: int) -> Segments | None:
    """Join neighbours as if speakers had recorded in strongly differing sessions, and see whether that explains them.

    Args:
        segments: pieces of speakers, bad runs absorbed; they are not changed.
        distance_ratio: distance of two speakers over the variance within a speaker, at least.
        min_segment: fewest files of a speaker.

    Returns:
        The speakers; None where these are no sessions.
    """
    pieces = segments.copy()
    pieces.measure_by_own_variances()
    limit = distance_ratio * GROWTH
    joined = pieces.copy()
    while joined.join_once(limit, min_segment):
        pass
    return joined if _explains(pieces, joined, limit) else None


def _explains(pieces: Segments, joined: Segments, limit: float) -> bool:
    n_pieces = np.diff(np.searchsorted(pieces.indices, joined.indices))
    in_rows = n_pieces[n_pieces >= 3]
    n_joined = int(np.sum(n_pieces - 1))
    n_near = int(np.sum(joined.distances() < GAP * limit))
    return bool(len(in_rows) >= FEWEST_SPEAKERS and 2 * np.sum(in_rows - 1) >= n_joined and n_near <= HARDLY * n_joined)
