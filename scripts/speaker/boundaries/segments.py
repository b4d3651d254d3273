"""Neighbouring segments of a collection that are joined until each is a speaker."""

import heapq
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

NONE = -1
LONGEST_RUN = 2  # segments that a bad run has at most
WORTH = 10  # files that the variance of the whole collection is worth beside a segment's own


class Segments:
    """Segments in order, each with a centre; joined ones go by the number of their first.

    Distances are squared, less what the noise of the centres adds to them, and in file variances: of the collection, or
    of the two segments in question.

    Attributes:
        lengths: (k,) int64 files of each segment.
        alive: (k,) bool, False for those that were joined to another.
        weights: (k,) float64 files that each centre is the mean of.
    """

    def __init__(
        self,
        indices: NDArray[np.int64],
        sums: NDArray[np.float64],
        weights: NDArray[np.int64],
        *,
        file_variance: float,
        likeness: float = 1.0,
    ) -> None:
        """Begin with segments that were found.

        Args:
            indices: (k + 1,) int64 where the segments begin and end.
            sums: (k, D) float64 sum of the unit rows that tell a segment's centre.
            weights: (k,) how many rows these are, at least one.
            file_variance: variance of a file around its segment's centre.
            likeness: by how much likeness of neighbours raises the noise of a centre.
        """
        k = len(sums)
        self.lengths = np.diff(indices)
        self.alive = np.ones(k, bool)
        self.weights = weights.astype(np.float64)
        self._starts = np.array(indices[:-1])
        self._n = int(indices[-1])
        self._sums = sums.copy()
        self._variances = np.full(k, file_variance)
        self._likeness = likeness
        self._left = np.arange(-1, k - 1)
        self._right = np.append(np.arange(1, k), NONE)
        self._version = np.zeros(k, np.int64)

    def copy(self) -> "Segments":
        """Segments that can be joined without changing these."""
        other = Segments.__new__(Segments)
        for name, value in vars(self).items():
            setattr(other, name, value.copy() if isinstance(value, np.ndarray) else value)
        return other

    def measure_by_own_variances(self) -> None:
        """Give each segment the variance of its own files, drawn to the collection's where they are few."""
        scatter = self.weights - np.einsum("ij,ij->i", self._sums, self._sums) / np.maximum(self.weights, 1)
        freedom = np.maximum(self.weights - 1, 0)
        self._variances = (scatter + WORTH * self._variances) / (freedom + WORTH)

    @property
    def indices(self) -> NDArray[np.int64]:
        """(alive + 1,) int64 where the segments begin and end."""
        return np.append(self._starts[self.alive], self._n)

    @property
    def centres(self) -> NDArray[np.float64]:
        """(alive, D) float64."""
        return np.asarray(self._sums[self.alive] / self.weights[self.alive, None])

    @property
    def variances(self) -> NDArray[np.float64]:
        """(alive,) float64 file variance that distances of each segment are measured by."""
        return self._variances[self.alive]

    def distance(self, one: int, other: int) -> float:
        """Squared distance of two centres in file variances, less what their noise adds to it."""
        apart = self._sums[one] / self.weights[one] - self._sums[other] / self.weights[other]
        noise = self._variances[one] / self.weights[one] + self._variances[other] / self.weights[other]
        return float((apart @ apart - self._likeness * noise) / (self._variances[one] + self._variances[other]) * 2)

    def distances(self) -> NDArray[np.float64]:
        """(alive - 1,) distances of neighbours."""
        alive = np.flatnonzero(self.alive).tolist()
        return np.array([self.distance(one, other) for one, other in pairwise(alive)])

    def join_once(self, limit: float, min_segment: int) -> bool:
        """Absorb bad runs, then short segments, then join neighbours that are alike.

        Returns:
            Whether anything was joined; then there may be more to join.
        """
        joined = self.absorb_runs(limit)
        joined |= self.absorb_short(min_segment, limit)
        joined |= self.join_alike(limit)
        return joined

    def absorb_runs(self, limit: float, *, fewest: int = 1) -> bool:
        """Join two alike segments and the shorter ones between them: a speaker occurs once, so these are a bad run.

        Returns:
            Whether anything was joined.
        """

        def chains(first: int) -> Iterator[tuple[int, ...]]:
            chain: tuple[int, ...] = (first,)
            between = 0
            while (last := int(self._right[chain[-1]])) != NONE and len(chain) <= LONGEST_RUN + 1:
                if 0 < between < min(self.lengths[first], self.lengths[last]):
                    yield (*chain, last)
                chain, between = (*chain, last), between + int(self.lengths[last])

        return self._join_nearest(chains, limit, reach=LONGEST_RUN + 1, fewest=fewest)

    def join_alike(self, limit: float, *, fewest: int = 1) -> bool:
        """Join neighbours until all are further apart than the limit, or only `fewest` are left.

        Returns:
            Whether anything was joined.
        """

        def chains(first: int) -> Iterator[tuple[int, ...]]:
            if (last := int(self._right[first])) != NONE:
                yield first, last

        return self._join_nearest(chains, limit, reach=1, fewest=fewest)

    def absorb_short(self, min_segment: int, limit: float, *, fewest: int = 1) -> bool:
        """Join each segment of too few files to the nearer neighbour, the shortest first.

        Args:
            min_segment: fewest files of a speaker.
            limit: distance from which on the short segment's files have no say in the centre.
            fewest: segments that are left in any case.

        Returns:
            Whether anything was joined.
        """
        short = np.flatnonzero(self.alive & (self.lengths < min_segment))
        queue = [(int(self.lengths[one]), int(one)) for one in short]
        heapq.heapify(queue)
        n_before = n_left = int(self.alive.sum())
        while queue and n_left > fewest:
            length, one = heapq.heappop(queue)
            if not self.alive[one] or self.lengths[one] != length:
                continue
            neighbours = [int(other) for other in (self._left[one], self._right[one]) if other != NONE]
            distance, nearer = min((self.distance(one, other), other) for other in neighbours)
            if distance >= limit:
                self._silence(one)
            kept, gone = sorted((one, nearer))
            self._join(kept, gone)
            n_left -= 1
            if self.lengths[kept] < min_segment:
                heapq.heappush(queue, (int(self.lengths[kept]), kept))
        return n_left < n_before

    def _join_nearest(
        self, chains: Callable[[int], Iterator[tuple[int, ...]]], limit: float, *, reach: int, fewest: int = 1
    ) -> bool:
        """Join chains whose ends are alike, the nearest ends first; what is between has no say in the centre.

        Args:
            chains: those that begin with a segment.
            limit: distance under which ends are alike.
            reach: most segments in a chain, less one.
            fewest: segments that are left in any case.
        """
        queue: list[tuple[float, tuple[int, ...], tuple[int, ...]]] = []

        def offer(first: int) -> None:
            for chain in chains(first):
                distance = self.distance(chain[0], chain[-1])
                if distance < limit:
                    heapq.heappush(queue, (distance, chain, tuple(self._version[list(chain)].tolist())))

        for one in np.flatnonzero(self.alive):
            offer(int(one))
        n_before = n_left = int(self.alive.sum())
        while queue and n_left > fewest:
            _, chain, versions = heapq.heappop(queue)
            if versions != tuple(self._version[list(chain)].tolist()):
                continue
            if n_left - len(chain) + 1 < fewest:
                continue
            kept = chain[0]
            for between in chain[1:-1]:
                self._silence(between)
            for gone in chain[1:]:
                self._join(kept, gone)
            n_left -= len(chain) - 1
            at = kept
            for _ in range(reach + 1):  # every chain that holds the joined segment
                offer(at)
                at = int(self._left[at])
                if at == NONE:
                    break
        return n_left < n_before

    def _join(self, kept: int, gone: int) -> None:
        """Join a segment to the one on its left."""
        weight = self.weights[kept] + self.weights[gone]
        own, others = self.weights[kept] * self._variances[kept], self.weights[gone] * self._variances[gone]
        self._variances[kept] = (own + others) / weight
        self._sums[kept] += self._sums[gone]
        self.weights[kept] = weight
        self.lengths[kept] += self.lengths[gone]
        self.alive[gone] = False
        right = self._right[gone]
        self._right[kept] = right
        if right != NONE:
            self._left[right] = kept
        self._version[kept] += 1
        self._version[gone] += 1

    def _silence(self, one: int) -> None:
        """Leave the files of a segment out of the centre of what it is joined to."""
        self._sums[one], self.weights[one] = 0.0, 0.0
