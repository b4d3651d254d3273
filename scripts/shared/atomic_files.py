"""Files that are whole or absent: written beside their place, flushed, renamed."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

TEMPORARY_PREFIX = ".polymill-"


@contextmanager
def open_new(path: Path) -> Iterator[BinaryIO]:
    """Open a file to be written and read, which comes to `path` when all went well.

    A reader sees the old file or the new one, and a power cut keeps one whole.

    Raises:
        OSError: the folder cannot be written; nothing is left beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{path.name}"
    try:
        with _open_held(temporary) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` at `path`; see `open_new`."""
    with open_new(path) as file:
        file.write(data)


def _open_held(path: Path) -> BinaryIO:
    """Open a temporary file that `remove_leftovers` leaves alone while this process lives."""
    while True:
        file = path.open("w+b")
        with suppress(OSError):  # a file system without locks, where `remove_leftovers` removes nothing
            fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return file
        file.close()  # taken for a leftover between the two


def leftovers(folder: Path, *, deep: bool) -> list[Path]:
    """Temporary files in a folder, and with `deep` in those below it."""
    pattern = f"{TEMPORARY_PREFIX}*"
    return list(folder.rglob(pattern) if deep else folder.glob(pattern))


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove the temporary files of writers that were killed; a living one holds its own."""
    for path in paths:
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def remove_leftovers_beside(*paths: Path) -> None:
    """Remove what killed writers left in the folders of these files; see `remove_leftovers`."""
    for folder in {path.parent for path in paths}:
        remove_leftovers(leftovers(folder, deep=False))


def write_synced(path: Path, data: bytes) -> None:
    """Write a file that nobody reads yet, and flush it to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Put `text` at `path` as UTF-8, what UTF-8 cannot say as a backslash escape; see `write_bytes`."""
    write_bytes(path, text.encode(errors="backslashreplace"))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Put lines, each with its end, at `path` one after the other as UTF-8; see `open_new`."""
    with open_new(path) as file:
        file.writelines(line.encode() for line in lines)


def write_json(path: Path, value: Any) -> None:
    """Put `value` at `path` as indented JSON with sorted keys; see `write_bytes`."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def sync_folder(path: Path) -> None:
    """Flush the names in a folder, so that a rename survives a power cut where the file system allows it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:
        # Some network file systems refuse to flush a folder; the planner finds what a power cut took.
        pass
    finally:
        os.close(descriptor)
