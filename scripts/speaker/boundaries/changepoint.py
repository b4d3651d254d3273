"""`method: changepoint`: speakers of any length, by an exact search for changes and a test which are persons."""

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import ConfigError
from scripts.speaker.boundaries.candidates import candidates
from scripts.speaker.boundaries.confidence import describe, within_variance
from scripts.speaker.boundaries.consolidation import find_speakers, first_segments, join_down_to
from scripts.speaker.boundaries.found import Boundary, Found
from scripts.speaker.boundaries.noise import Noise, estimate_noise, false_alarm_penalty
from scripts.speaker.boundaries.pelt import best_split
from scripts.speaker.boundaries.places import weigh_places
from scripts.speaker.boundaries.spread import FileSpread
from scripts.speaker.boundaries.unit_rows import segment_sums

BLOCK = 5  # files a block for the noise that neighbours have in common
BLOCKS = 40  # fewest blocks that tell a noise: of a small collection too many hold a change of speaker
ALL_PLACES = 500  # files of a collection in which every place is a candidate
LONGEST_MIN_SEGMENT = 20
HALVINGS = 40  # of the penalty, to find as many segments as speakers were asked for
MOVES = 3  # rounds of moving the boundaries to their likeliest places


def find_boundaries(
    embeddings: NDArray[np.float32],
    *,
    distance_ratio: float = 1.5,
    min_segment: int | None = None,
    n_speakers: int | None = None,
) -> Found:
    """Find where one speaker ends and the next begins; speakers may have any number of files.

    Args:
        embeddings: (n, D) rows of any length in the order of the collection, possibly a memory map.
        distance_ratio: squared distance of two speakers' centres over the variance within a speaker, at least.
        min_segment: fewest files of a speaker; a twelfth of the collection, but from 3 to 20, where None.
        n_speakers: how many speakers there are, where that is known.

    Raises:
        ConfigError: there are not so many speakers to be found.
        JobError: a row is zero or not finite.
    """
    n = len(embeddings)
    shortest = min_segment or min(max(n // 12, 3), LONGEST_MIN_SEGMENT)
    if n_speakers is not None:
        if n_speakers > n:
            raise ConfigError(f"n_speakers: {n_speakers} speakers cannot have {n} files; ask for fewer or leave it out")
        shortest = min(shortest, n // n_speakers)
    parameters = {"distance_ratio": distance_ratio, "min_segment": shortest, "n_speakers": n_speakers}
    if n < 2:
        return Found(n, (), "changepoint", parameters)
    noise = estimate_noise(embeddings, block=1)
    slow_noise = estimate_noise(embeddings, block=min(max(n // BLOCKS, 1), BLOCK))
    penalty = false_alarm_penalty(slow_noise, n)
    found = _changes(embeddings, penalty, min_segment=max(1, shortest // 2), at_least=n_speakers or 1)
    likeness = max(1.0, slow_noise.trace / noise.trace)
    segments = first_segments(embeddings, found, file_variance=noise.trace, likeness=likeness)
    if n_speakers is None:
        segments = find_speakers(
            segments,
            FileSpread(embeddings),
            file_variance=noise.trace,
            distance_ratio=distance_ratio,
            min_segment=shortest,
        )
    else:
        join_down_to(segments, n_speakers, distance_ratio=distance_ratio, min_segment=shortest)
    indices = _moved(embeddings, segments.indices, noise, shortest)
    return Found(n, _boundaries(embeddings, indices, distance_ratio), "changepoint", parameters)


def _changes(embeddings: NDArray[np.float32], penalty: float, *, min_segment: int, at_least: int) -> NDArray[np.int64]:
    """(k + 1,) int64 the best segmentation by penalty, at a lower one where fewer segments than asked for pay it."""
    n = len(embeddings)
    inner = np.arange(1, n) if n <= ALL_PLACES else candidates(embeddings, threshold=penalty / 2)
    places = np.concatenate([[0], inner, [n]])
    sums = segment_sums(embeddings, places)
    chosen = best_split(sums, places, penalty=penalty, min_segment=min_segment)
    for _ in range(HALVINGS):
        if len(chosen) > at_least:
            break
        penalty /= 2
        chosen = best_split(sums, places, penalty=penalty, min_segment=min_segment)
    if len(chosen) <= at_least:
        raise ConfigError(
            f"n_speakers: {at_least} speakers were asked for, but only {len(chosen) - 1} can be told apart in these"
            f" {n} files; ask for fewer, or lower min_segment"
        )
    return places[chosen]


def _moved(
    embeddings: NDArray[np.float32], indices: NDArray[np.int64], noise: Noise, shortest: int
) -> NDArray[np.int64]:
    """Move each boundary to its likeliest place."""
    for _ in range(MOVES):
        if len(indices) == 2:
            break
        variance = within_variance(embeddings, indices, noise)
        wanted = indices.copy()
        wanted[1:-1] = weigh_places(embeddings, indices, noise=noise, variance=variance).best
        wanted = _keeping_lengths(indices, wanted, shortest)
        if np.array_equal(wanted, indices):
            break
        indices = wanted
    return indices


def _keeping_lengths(before: NDArray[np.int64], wanted: NDArray[np.int64], shortest: int) -> NDArray[np.int64]:
    """Take back the moves that would leave a speaker too few files."""
    least = np.minimum(np.diff(before), shortest)
    after = wanted.copy()
    while (short := np.diff(after) < least).any():
        after[:-1][short] = before[:-1][short]
        after[1:][short] = before[1:][short]
    return after


def _boundaries(
    embeddings: NDArray[np.float32], indices: NDArray[np.int64], distance_ratio: float
) -> tuple[Boundary, ...]:
    lengths = np.diff(indices)
    apart = np.diff(segment_sums(embeddings, indices) / lengths[:, None], axis=0)
    gains = np.einsum("ij,ij->i", apart, apart) * lengths[:-1] * lengths[1:] / (lengths[:-1] + lengths[1:])
    return tuple(
        Boundary(
            index=int(index),
            score=float(gain),
            margin=about.margin,
            confidence=about.confidence,
            distance_ratio=about.distance_ratio,
            reliable=about.distance_ratio >= distance_ratio,
        )
        for index, gain, about in zip(indices[1:-1], gains, describe(embeddings, indices), strict=True)
    )
