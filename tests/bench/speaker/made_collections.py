"""Collections of speaker embeddings with known truth, made with the statistics of real speech.

Measured on the 56 utterances (7 sets of 8, 6 persons, 7 to 9 s each) of the demo with Resemblyzer's encoder, unit
embeddings. The variance within a set is the median over the sets of the trace of its covariance; cosines are between
the sets' centres of different persons, the noise of a centre of 8 files taken off.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

DIM = 256
WITHIN_VARIANCE = 0.087  # 0.073 to 0.143 in the seven sets
_NOISE_VARIANCE = WITHIN_VARIANCE / (1 - WITHIN_VARIANCE)  # before rows are brought to length 1
WITHIN_SPREAD = 0.24  # sd of its logarithm over the sets, less what a variance of 8 files varies by itself
BETWEEN_COSINE = 0.68  # mean of the 20 pairs of sets of different persons: 0.50 to 0.78
NOISE_COSINE = 0.47  # of white noise, brown noise and mains hum to the centres: 0.33 to 0.56
PAIR_COSINE = 0.92

_AXES = np.arange(DIM)
# A sample of 49 degrees of freedom drawn with 1 / (k + 2) has the spectrum of the utterances: its largest shares 0.137,
# 0.090, 0.074 (measured 0.136, 0.091, 0.060), its effective dimension 19.9 (measured 20.1).
_WITHIN_SCALE = np.sqrt(1 / (_AXES + 2) / np.sum(1 / (_AXES + 2)))
# The exponent gives cosines a standard deviation of 0.080 (measured 0.078). The span of the sets' centres holds 0.10 of
# the variance within: so do six axes from the eighth on.
_BETWEEN_SCALE = np.roll((_AXES + 1) ** -0.6, 8)

Kind = Callable[[np.random.Generator], "Collection"]
Lengths = Sequence[int] | NDArray[np.int64]


@dataclass(frozen=True)
class Collection:
    """A made collection.

    Attributes:
        embeddings: (n, DIM) float32, rows of various lengths as a model gives them.
        truth: indices of the boundaries with both ends: [0, ..., n].
        segment_size: the length of a speaker that a walking method is told to expect.
    """

    embeddings: NDArray[np.float32]
    truth: list[int]
    segment_size: int

    @property
    def speakers(self) -> NDArray[np.int64]:
        """(n,) int64 number of the speaker of each row, from 0."""
        return np.repeat(np.arange(len(self.truth) - 1), np.diff(self.truth))


def collections(seed: int) -> dict[str, Collection]:
    """One collection of each kind.

    Args:
        seed: other seeds give other speakers, lengths and noise.
    """
    return _one_of_each(KINDS, seed)


def hard_collections(seed: int) -> dict[str, Collection]:
    """Collections in which many places are in doubt, to see what a confidence is worth; see `collections`."""
    return _one_of_each(HARD_KINDS, seed)


def _one_of_each(kinds: dict[str, Kind], seed: int) -> dict[str, Collection]:
    return {name: make(np.random.default_rng([seed, number])) for number, (name, make) in enumerate(kinds.items())}


def make_collection(
    rng: np.random.Generator,
    lengths: Lengths,
    *,
    segment_size: int,
    pair_cosine: float | None = None,
    session_share: float = 0.0,
    correlation: float = 0.0,
    bad_files: float = 0.0,
    bad_runs: bool = False,
) -> Collection:
    """Draw the speakers, then their files.

    Args:
        rng: where all draws come from.
        lengths: files of each speaker.
        segment_size: the length that a walking method is told.
        pair_cosine: of each second speaker to the one before; None leaves it to chance.
        session_share: part of the variance within a speaker that all files of a session have in common.
        correlation: of a file with the next one of its speaker, 0 for none.
        bad_files: part of the files that hold noise, or another voice.
        bad_runs: put a run of such files inside every third speaker.
    """
    truth = [0, *np.cumsum(lengths).tolist()]
    noise = _noise(rng, truth, correlation)
    if session_share:
        noise *= np.float32(np.sqrt(1 - session_share))
        for start, end in pairwise(truth):
            _add_sessions(rng, noise[start:end], session_share)
    scale = np.sqrt(_NOISE_VARIANCE * np.exp(rng.normal(0, WITHIN_SPREAD, len(lengths))))
    noise *= np.repeat(scale, lengths).astype(np.float32)[:, None]
    rows = noise
    rows += np.repeat(_centres(rng, len(lengths), pair_cosine), lengths, axis=0)
    others = np.flatnonzero(rng.random(truth[-1]) < bad_files)
    _replace(rng, rows, others, noisy=rng.random(others.size) < 0.5)
    if bad_runs:
        for number in range(1, len(lengths), 3):
            run = _run_inside(rng, truth[number], truth[number + 1])
            _replace(rng, rows, run, noisy=np.full(run.size, number % 2 == 0))
    rows *= rng.uniform(0.8, 1.25, (truth[-1], 1)).astype(np.float32)
    return Collection(rows, truth, segment_size)


def long_collection(n: int, *, segment_size: int = 1000, seed: int = 0) -> Collection:
    """A collection of `n` files, +-30 % of `segment_size` a speaker, for the clock."""
    rng = np.random.default_rng([seed, n])
    ends = np.cumsum(_varied(rng, n // segment_size * 2, segment_size, 0.3))
    lengths = np.diff(ends[ends < n - segment_size // 2], prepend=0, append=n)
    return make_collection(rng, lengths, segment_size=segment_size)


def _centres(rng: np.random.Generator, n: int, pair_cosine: float | None) -> NDArray[np.float32]:
    """(n, DIM) unit rows: what all voices have in common, and what is a speaker's own."""
    own = _own_parts(rng, n)
    if pair_cosine is not None:
        common = BETWEEN_COSINE  # centres of cosine c have own parts of cosine (c - common) / (1 - common)
        cosine = (pair_cosine - common) / (1 - common)
        for odd in range(1, n, 2):
            across = _unit(own[odd] - (own[odd] @ own[odd - 1]) * own[odd - 1])
            own[odd] = cosine * own[odd - 1] + np.sqrt(1 - cosine**2) * across
    return _around_common(own, np.sqrt(BETWEEN_COSINE))


def _around_common(own: NDArray[np.float64], cosine: float) -> NDArray[np.float32]:
    """(n, DIM) unit rows of this cosine to what voices have in common: the last axis, where both spectra end."""
    rows = np.sqrt(1 - cosine**2) * own
    rows[:, -1] = 0
    rows[:, -1] = np.sqrt(1 - np.sum(rows**2, axis=1))
    return rows.astype(np.float32)


def _own_parts(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    return _unit(rng.standard_normal((n, DIM)) * _BETWEEN_SCALE)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def _noise(rng: np.random.Generator, truth: list[int], correlation: float) -> NDArray[np.float32]:
    """(n, DIM) rows of variance 1 in all, each speaker's a chain where neighbours resemble each other."""
    noise = rng.standard_normal((truth[-1], DIM), np.float32)
    noise *= _WITHIN_SCALE.astype(np.float32)
    if correlation:
        fresh = np.float32(np.sqrt(1 - correlation**2))
        first = set(truth)
        for row in range(1, truth[-1]):
            if row not in first:
                noise[row] = correlation * noise[row - 1] + fresh * noise[row]
    return noise


def _add_sessions(rng: np.random.Generator, noise: NDArray[np.float32], share: float) -> None:
    """Give each session of a speaker, two to six of them, an offset of its own."""
    n_sessions = int(rng.integers(2, 7))
    cuts = np.sort(rng.choice(np.arange(1, len(noise)), n_sessions - 1, replace=False))
    offsets = rng.standard_normal((n_sessions, DIM)) * _WITHIN_SCALE * np.sqrt(share)
    noise += np.repeat(offsets, np.diff(cuts, prepend=0, append=len(noise)), axis=0).astype(np.float32)


def _replace(
    rng: np.random.Generator, rows: NDArray[np.float32], which: NDArray[np.int64], *, noisy: NDArray[np.bool_]
) -> None:
    """Put recordings of a noise, or files of one stranger, in the place of others."""
    stranger = _centres(rng, 1, None)
    recorded_noise = _around_common(_own_parts(rng, 1), NOISE_COSINE / np.sqrt(BETWEEN_COSINE))
    made = _noise(rng, [0, which.size], 0.0) * np.float32(np.sqrt(_NOISE_VARIANCE))
    rows[which] = made + np.where(noisy[:, None], recorded_noise, stranger)


def _run_inside(rng: np.random.Generator, start: int, end: int) -> NDArray[np.int64]:
    """Rows of a run of 3 to 30 files, more of the speaker's own before and after it."""
    length = int(min(rng.integers(3, 31), (end - start) // 4))
    first = int(rng.integers(start + length + 1, end - 2 * length))
    return np.arange(first, first + length)


def _varied(rng: np.random.Generator, n: int, length: int, part: float) -> NDArray[np.int64]:
    """(n,) lengths, evenly spread within a part of `length` to either side."""
    most = round(part * length)
    return length + rng.integers(-most, most + 1, n)


def _of_lengths(lengths: Callable[[np.random.Generator], Lengths], size: int) -> Kind:
    return lambda rng: make_collection(rng, lengths(rng), segment_size=size)


def _with_defects(**defects: float | bool) -> Kind:
    """20 speakers of about 200 files with something that makes the search harder."""
    return lambda rng: make_collection(rng, _varied(rng, 20, 200, 0.3), segment_size=200, **defects)


KINDS: dict[str, Kind] = {
    "exactly 1,000 files": _of_lengths(lambda _: [1000] * 20, 1000),
    "1,000 +- 10 files": _of_lengths(lambda rng: _varied(rng, 20, 1000, 0.01), 1000),
    "one of 1,300 among 1,000s": _of_lengths(lambda _: [1000] * 6 + [1300] + [1000] * 13, 1000),
    "1,000 +- 10 %": _of_lengths(lambda rng: _varied(rng, 20, 1000, 0.1), 1000),
    "1,000 +- 30 %": _of_lengths(lambda rng: _varied(rng, 20, 1000, 0.3), 1000),
    "20 to 5,000 files": _of_lengths(lambda rng: np.exp(rng.uniform(np.log(20), np.log(5000), 20)).astype(int), 1000),
    "3 x 12 files": _of_lengths(lambda _: [12] * 3, 12),
    "similar pairs": _with_defects(pair_cosine=PAIR_COSINE),
    "sessions": _with_defects(session_share=0.5),
    "correlated neighbours": _with_defects(correlation=0.5),
    "5 % bad files": _with_defects(bad_files=0.05),
    "sessions, 5 % bad files": _with_defects(session_share=0.5, bad_files=0.05),
    "bad runs": _with_defects(bad_runs=True),
}
HARD_KINDS: dict[str, Kind] = {
    "correlated, 15 % bad files": _with_defects(correlation=0.5, bad_files=0.15),
    "similar pairs, correlated, 15 % bad files": _with_defects(
        pair_cosine=PAIR_COSINE, correlation=0.5, bad_files=0.15, session_share=0.3
    ),
}
