"""SQLite files that a program may be writing while they are copied."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from scripts.upkeep.backup_shard import DamagedError

_BESIDE = ("-wal", "-shm")


def is_live(path: Path) -> bool:
    """Whether a file is a database with a log beside it, of which a plain copy could be torn."""
    return path.with_name(f"{path.name}-wal").exists()


def is_beside_live(path: Path) -> bool:
    """Whether a file is what a program at work keeps beside its database: the copy of the database holds it."""
    return any(
        path.name.endswith(suffix) and is_live(path.with_name(path.name.removesuffix(suffix))) for suffix in _BESIDE
    )


def copy_live(source: Path, target: Path) -> None:
    """Copy a database as it is between two changes, and flush it.

    Raises:
        DamagedError: it cannot be read.
        OSError: the disk of the copy refuses.
    """
    target.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # else whoever opens it first writes beside it
    except sqlite3.Error as error:
        raise DamagedError(f"{source.name} cannot be copied as a database: {error}") from error
    with target.open("rb") as file:
        os.fsync(file.fileno())
