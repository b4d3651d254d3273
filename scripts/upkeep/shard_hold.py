"""Keeping jobs off a shard while its files are copied or removed."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.shared import layout
from scripts.shared.locks import LockFile

_AGAIN_S = 0.2


@contextmanager
def shard_held(dataset_dir: Path, stages: Iterable[str], shard: str) -> Iterator[str]:
    """Hold a shard's locks while the context lasts.

    Yields:
        Who else works on the shard; empty where nobody does, and it is held.
    """
    locks = [LockFile(layout.shard_lock(dataset_dir, stage, shard)) for stage in stages]
    try:
        yield next((lock.holder() for lock in locks if not _taken(lock)), "")
    finally:
        for lock in locks:
            lock.release()


def _taken(lock: LockFile) -> bool:
    if lock.acquire(wait=False):
        return True
    time.sleep(_AGAIN_S)  # `make status` has it for an instant when it looks
    return lock.acquire(wait=False)
