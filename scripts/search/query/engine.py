"""Which assets answer a query, in which order."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.search.query.catalogue import Catalogue, Floats, Ints, Places
from scripts.search.query.cosines import cosines
from scripts.search.query.segments import Segment, score_of, segments

PLACES = 6
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Filters:
    """What hits must be.

    Attributes:
        kind: `image` or `video`; None for both.
        path: a text in the path; capitals count as small letters.
        since_ns: changed then or later, ns since 1970.
        until_ns: changed before then.
        min_score: least cosine.
        only: numbers of the assets to choose from, such as those with a tag; None for all.
        hidden: numbers of assets that are no hits.
    """

    kind: str | None = None
    path: str = ""
    since_ns: int | None = None
    until_ns: int | None = None
    min_score: float | None = None
    only: Ints | None = None
    hidden: Ints | None = None


class Hit(NamedTuple):
    """One asset that answers.

    Attributes:
        number: of the asset.
        score: its best cosine; None where nothing was asked.
        time: of the best frame of a video, seconds; None of pictures.
        segments: of a video.
    """

    number: int
    score: float | None
    time: float | None
    segments: list[Segment]


class Hits(NamedTuple):
    """A part of the answer: how many assets answer in all, and those asked for.

    The hits are made when they are taken, once: all of a million, each with its segments, would take a gigabyte.
    """

    total: int
    hits: Iterator[Hit]


def search(
    catalogue: Catalogue,
    query: Floats | None,
    *,
    negative: Floats | None = None,
    filters: Filters | None = None,
    offset: int = 0,
    limit: int | None = None,
) -> Hits:
    """The assets nearest to a vector, the nearest first, equals by path; without a vector those changed last.

    An asset is as near as its nearest frame.

    Args:
        catalogue: the index.
        query: (dim,) float32 of unit length, or None.
        negative: likewise: assets at least as near to it as to the query are left out.
        filters: what hits must be.
        offset: hits to leave out at the beginning.
        limit: hits to give; None for all.
    """
    if query is None:
        return _newest(catalogue, filters or Filters(), offset, limit)
    filters = filters or Filters()
    scores = cosines(catalogue.vectors, query)
    best = np.round(_best(catalogue, scores), PLACES)
    wanted = chosen(catalogue, filters)
    if filters.min_score is not None:
        wanted &= best >= np.float32(filters.min_score)
    if negative is not None:
        wanted &= best > np.round(_best(catalogue, cosines(catalogue.vectors, negative)), PLACES)
    total = int(np.count_nonzero(wanted))
    numbers = _first(np.where(wanted, best, np.float32(-np.inf)), catalogue.rank, total, offset, limit)
    return Hits(total, (_hit(catalogue, int(number), scores, filters.min_score) for number in numbers))


def _newest(catalogue: Catalogue, filters: Filters, offset: int, limit: int | None) -> Hits:
    wanted = np.flatnonzero(chosen(catalogue, filters))
    order = wanted[np.lexsort((catalogue.rank[wanted], -catalogue.mtime_ns[wanted]))]
    numbers = order[offset : None if limit is None else offset + limit]
    return Hits(len(order), (Hit(int(number), None, None, []) for number in numbers))


def chosen(catalogue: Catalogue, filters: Filters) -> Mask:
    """Which assets pass the filters, (n_assets,) bool; scores are not looked at."""
    wanted = np.ones(len(catalogue), dtype=np.bool_)
    if filters.only is not None:
        wanted[:] = False
        wanted[filters.only] = True
    if filters.kind is not None:
        wanted &= catalogue.is_video == (filters.kind == "video")
    if filters.path:
        in_path = np.zeros(len(catalogue), dtype=np.bool_)
        in_path[catalogue.by_rank[catalogue.paths.containing(filters.path)]] = True
        wanted &= in_path
    if filters.since_ns is not None:
        wanted &= catalogue.mtime_ns >= filters.since_ns
    if filters.until_ns is not None:
        wanted &= catalogue.mtime_ns < filters.until_ns
    if filters.hidden is not None:
        wanted[filters.hidden] = False
    return wanted


def numbers_of_paths(catalogue: Catalogue, paths: Iterable[str]) -> Ints:
    """The assets of those paths that are indexed, (n,) int64."""
    found = (catalogue.number_of_path(path) for path in paths)
    return np.array([number for number in found if number is not None], dtype=np.int64)


def _best(catalogue: Catalogue, scores: Floats) -> Floats:
    """The highest score of each asset, (n_assets,) float32."""
    if len(scores) == len(catalogue):
        return scores
    best: Floats = np.maximum.reduceat(scores, catalogue.first[:-1])
    return best


def _first(best: Floats, rank: Places, total: int, offset: int, limit: int | None) -> Ints:
    """Numbers of the assets from `offset` on in order of (-best, rank), of the `total` ones that are wanted."""
    end = total if limit is None else min(total, offset + limit)
    if end <= offset:
        return np.empty(0, dtype=np.int64)
    # All that are as good as the last one wanted: a few more than `end`, of which the order is then settled.
    least = np.partition(best, len(best) - end)[len(best) - end]
    candidates = np.flatnonzero(best >= least) if least > -np.inf else np.flatnonzero(best > -np.inf)
    order = np.lexsort((rank[candidates], -best[candidates]))
    numbers: Ints = candidates[order][offset:end]
    return numbers


def _hit(catalogue: Catalogue, number: int, scores: Floats, min_score: float | None) -> Hit:
    rows = catalogue.rows(number)
    if not catalogue.is_video[number]:  # one vector
        return Hit(number, score_of(scores[rows.start]), None, [])
    own = scores[rows]
    best = int(np.argmax(own))
    score = score_of(own[best])
    times = catalogue.frame_time[rows]
    return Hit(
        number,
        score,
        round(float(times[best]), 3),
        segments(
            times,
            own,
            threshold=_threshold(score, min_score, catalogue.min_score),
            interval=catalogue.frame_interval,
            duration=float(catalogue.duration[number]),
        ),
    )


def _threshold(best: float, asked: float | None, usual: float | None) -> float:
    """From which cosine on a frame belongs to a segment.

    As asked; else frames that are nearer to the best one than to what hardly matches, where that is known. What nearly
    all matching pairs reach would be too low: other scenes of the video reach it too.
    """
    if asked is not None:
        return asked
    return (best + usual) / 2 if usual is not None and usual < best else best
