"""Folders that are whole or absent: filled beside their place, flushed, renamed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.shared.atomic_files import TEMPORARY_PREFIX, sync_folder


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to be filled, which comes to `folder` when all went well, in the place of what is there.

    One writer a folder: what a killed one left is removed by the next.

    Raises:
        OSError: the place cannot be written; nothing is left beside it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}")
    old = folder.with_name(f"{TEMPORARY_PREFIX}{folder.name}.old")
    for path in (made, old):
        shutil.rmtree(path, ignore_errors=True)
    made.mkdir()
    try:
        yield made
        for path in made.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
        sync_folder(folder.parent)
    finally:
        for path in (made, old):
            shutil.rmtree(path, ignore_errors=True)
