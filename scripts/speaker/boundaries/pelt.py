"""Exact least-squares segmentation over given places."""

import numpy as np
from numpy.typing import NDArray


def best_split(
    sums: NDArray[np.float64], places: NDArray[np.int64], *, penalty: float, min_segment: int = 1
) -> NDArray[np.int64]:
    """Split unit rows into segments of least squared distance to their means, at a price for each boundary.

    Args:
        sums: (k, D) float64, sums of the unit rows between neighbouring places.
        places: (k + 1,) int64 where a segment may begin or end, ascending from 0 to n.
        penalty: price of one boundary, in squared distance.
        min_segment: fewest rows of a segment, unless there are fewer in all.

    Returns:
        (segments + 1,) int64 positions in `places`, ascending from 0 to k.

    Source: PELT, Killick et al. 2012, doi:10.1080/01621459.2012.737745.
    """
    k, dim = sums.shape
    best = np.full(k + 1, np.inf)  # least cost of the rows before each place
    best[0] = -penalty
    previous = np.zeros(k + 1, np.int64)
    starts = np.empty(0, np.int64)  # where the last segment may still begin
    expires = np.empty(0, np.int64)  # place from which on another start is known to be as good
    tails = np.empty((64, dim))  # sums of the rows from each start on; grows as needed
    for end in range(1, k + 1):
        alive = expires > places[end]
        if not alive.all():
            tails[: int(alive.sum())] = tails[: len(starts)][alive]
            starts, expires = starts[alive], expires[alive]
        if len(starts) == len(tails):
            tails = np.concatenate([tails, np.empty_like(tails)])
        starts, expires = np.append(starts, end - 1), np.append(expires, np.iinfo(np.int64).max)
        live = tails[: len(starts)]
        live[-1] = 0
        live += sums[end - 1]
        lengths = places[end] - places[starts]
        costs = best[starts] + lengths - np.einsum("ij,ij->i", live, live) / lengths
        long_enough = np.flatnonzero(lengths >= min_segment)
        if long_enough.size:
            chosen = long_enough[np.argmin(costs[long_enough])]
            best[end], previous[end] = costs[chosen] + penalty, starts[chosen]
            # Such a start is no better than one more boundary here, once the rest is long enough for a segment.
            beaten = costs >= best[end]
            expires[beaten] = np.minimum(expires[beaten], places[end] + min_segment)
    return _walk_back(previous)


def _walk_back(previous: NDArray[np.int64]) -> NDArray[np.int64]:
    path = [len(previous) - 1]
    while path[-1]:
        path.append(int(previous[path[-1]]))
    return np.array(path[::-1])
