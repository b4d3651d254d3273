"""What a training reads ahead, in processes of their own. Imports torch."""

import signal
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

Read = TypeVar("Read")


def loaded(reader: Dataset[Read], wanted: Iterable[Any], *, workers: int, pin: bool, ahead: int = 3) -> Iterator[Read]:
    """What a reader gives for each thing wanted, in order.

    Args:
        reader: is asked for them by `reader[...]`.
        wanted: what to read.
        workers: processes that do so ahead of their use; 0: this one, when asked.
        pin: keep tensors in memory that a GPU copies from by itself.
        ahead: how many each of the processes has ready.
    """
    in_workers: dict[str, Any] = {"prefetch_factor": ahead, "worker_init_fn": _deaf} if workers else {}
    loader = DataLoader(
        reader,
        batch_size=None,
        sampler=wanted,
        num_workers=workers,
        pin_memory=pin,
        collate_fn=_as_it_is,
        **in_workers,
    )
    return iter(loader)


def _as_it_is(read: Any) -> Any:
    return read


def _deaf(_worker: int) -> None:
    """Leave signals to the process that trains: it ends after its step, and its readers with it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
