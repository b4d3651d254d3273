"""Which items a step has. Everything follows from the seed and the step, so going on after a break is arithmetic.

Half of each batch is normal. The shorter of the two lists begins again when it ends, in another order and with other
draws; so does all of it until the last step of an epoch is whole.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import Item, Records
from scripts.shared.selection import keyed_hash

_ORDER = 3  # keeps these draws apart from those of the items
_FEWEST_TO_SPARE = 4  # videos of a class before one of them is held out


class Pick(NamedTuple):
    """An item whose turn it is.

    Attributes:
        item: its number.
        epoch: from 0.
        turn: how often it was taken in this epoch before.
    """

    item: int
    epoch: int
    turn: int


def steps_per_epoch(anomalous: NDArray[np.bool_], batch_size: int, accumulation: int) -> int:
    """Steps until every item was taken.

    Args:
        anomalous: (n,) of each item.
        batch_size: items of a batch.
        accumulation: batches of a step.
    """
    kinds = _kinds(anomalous)
    of_each = batch_size // len(kinds)
    return math.ceil(max(len(kind) for kind in kinds) / (of_each * accumulation))


def picks(
    anomalous: NDArray[np.bool_],
    *,
    batch_size: int,
    accumulation: int,
    seed: int,
    steps: range,
    rank: int = 0,
    processes: int = 1,
) -> Iterator[Pick]:
    """What one process has in some steps, one batch after the other.

    The shares of all processes one after the other are the batch, so that its rows do not depend on their number.

    Args:
        anomalous: (n,) of each item.
        batch_size: items of a batch, over all processes; even.
        accumulation: batches of a step.
        seed: of the orders.
        steps: from 0, over all epochs.
        rank: of the process.
        processes: how many there are.
    """
    per_epoch = steps_per_epoch(anomalous, batch_size, accumulation)
    share = batch_size // processes
    rows: list[Pick] = []
    of_epoch = -1
    for step in steps:
        epoch, place = divmod(step, per_epoch)
        if epoch != of_epoch:
            rows, of_epoch = _epoch(anomalous, per_epoch * accumulation * batch_size, seed, epoch), epoch
        for batch in range(place * accumulation, (place + 1) * accumulation):
            start = batch * batch_size + rank * share
            yield from rows[start : start + share]


def held_out(records: Records, part: float, seed: int) -> tuple[list[Item], list[Item]]:
    """Set items aside, by whole videos, of every class alike.

    Args:
        records: all items.
        part: of the videos.
        seed: of the draw; whether a video is drawn does not depend on the order of the list.

    Returns:
        Those that are learnt from, and those that are not, each in the list's order.
    """
    by_class: dict[str, list[str]] = {}
    for item in records.items:
        if item.video not in (videos := by_class.setdefault(item.category, [])):
            videos.append(item.video)
    aside: set[str] = set()
    for videos in by_class.values():
        wanted = max(round(part * len(videos)), int(len(videos) >= _FEWEST_TO_SPARE))
        aside.update(sorted(videos, key=lambda video: keyed_hash(seed, f"hold_out/{video}"))[:wanted])
    return (
        [item for item in records.items if item.video not in aside],
        [item for item in records.items if item.video in aside],
    )


def _kinds(anomalous: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The numbers of the items of each kind; of one alone where there is only one."""
    return [kind for kind in (np.flatnonzero(anomalous), np.flatnonzero(~anomalous)) if len(kind)]


def _epoch(anomalous: NDArray[np.bool_], n_rows: int, seed: int, epoch: int) -> list[Pick]:
    """The rows of an epoch: of two kinds by turns, so that each process of a batch has both."""
    kinds = _kinds(anomalous)
    streams = [
        _stream(kind, n_rows // len(kinds), np.random.default_rng([_ORDER, seed, epoch, number]), epoch)
        for number, kind in enumerate(kinds)
    ]
    return [pick for together in zip(*streams, strict=True) for pick in together]


def _stream(kind: NDArray[np.int64], n: int, random: np.random.Generator, epoch: int) -> list[Pick]:
    turns = math.ceil(n / len(kind))
    return [Pick(int(item), epoch, turn) for turn in range(turns) for item in random.permutation(kind)][:n]
