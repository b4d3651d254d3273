"""Which pairs a step has. Everything follows from the seed and the step, so going on after a break is arithmetic."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ORDER, _VALIDATION = 0, 2  # what a seed draws, each by a stream of its own; `control` has 1


class Share(NamedTuple):
    """The pairs of one process in one step: the epoch, and (n,) int64 numbers of pairs."""

    epoch: int
    pairs: NDArray[np.int64]


def steps_per_epoch(n_pairs: int, batch_size: int) -> int:
    """Whole batches that hold every pair."""
    return math.ceil(n_pairs / batch_size)


def n_steps(n_pairs: int, batch_size: int, epochs: int, max_steps: int) -> int:
    """Steps of a run: `max_steps`, or where that is 0 those of the epochs."""
    return max_steps or epochs * steps_per_epoch(n_pairs, batch_size)


def wrapped(order: NDArray[np.int64], batch_size: int) -> NDArray[np.int64]:
    """An order that begins again at its end until the last batch is whole."""
    return np.resize(order, steps_per_epoch(len(order), batch_size) * batch_size)


def epoch_order(n_pairs: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """(n_pairs,) the pairs of an epoch in a random order."""
    return _random(_ORDER, seed, epoch).permutation(n_pairs)


def shares(
    n_pairs: int, *, batch_size: int, seed: int, steps: range, rank: int = 0, processes: int = 1
) -> Iterator[Share]:
    """What one process has in each of some steps.

    The shares of all processes one after the other are the batch, so that its rows do not depend on their number.

    Args:
        n_pairs: of the training set.
        batch_size: pairs of a step, over all processes.
        seed: of the orders.
        steps: from 0, over all epochs.
        rank: of the process.
        processes: how many there are.
    """
    each = steps_per_epoch(n_pairs, batch_size)
    order, of_epoch = np.empty(0, np.int64), -1
    for step in steps:
        epoch, place = divmod(step, each)
        if epoch != of_epoch:
            order, of_epoch = wrapped(epoch_order(n_pairs, seed, epoch), batch_size), epoch
        yield Share(epoch, _own(order, place, batch_size, rank, processes))


def validation_shares(
    n_pairs: int, *, batch_size: int, seed: int, rank: int = 0, processes: int = 1
) -> Iterator[Share]:
    """What one process has of each batch of a validation; see `shares`."""
    order = wrapped(_random(_VALIDATION, seed).permutation(n_pairs), batch_size)
    for place in range(len(order) // batch_size):
        yield Share(0, _own(order, place, batch_size, rank, processes))


def _own(order: NDArray[np.int64], place: int, batch_size: int, rank: int, processes: int) -> NDArray[np.int64]:
    size = batch_size // processes
    start = place * batch_size + rank * size
    return order[start : start + size]


def _random(stream: int, *key: int) -> np.random.Generator:
    return np.random.default_rng([stream, *key])
