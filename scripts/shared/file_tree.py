"""The files of some kinds below a folder of the user's. Light: the planner reads it."""

import errno
import os
from collections.abc import Iterator, Set
from pathlib import Path

from scripts.shared.errors import PlanningError


def find_files(folder: Path, suffixes: Set[str], *, option: str) -> Iterator[str]:
    """Yield the paths of all files of some kinds below a folder, relative to it, in any order; links are followed.

    Args:
        folder: its hidden files and folders are left out.
        suffixes: of the files, in small letters.
        option: the configuration's name for the folder.

    Raises:
        PlanningError: a folder cannot be read, or contains itself by a link.
    """
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]
    while waiting:
        inner, above = waiting.pop()
        place = os.path.join(folder, inner)
        try:
            found = os.stat(place)
            identity = (found.st_dev, found.st_ino)
            if identity in above:
                raise PlanningError(f"{place}: a link to a folder that it lies in; remove it")
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith("."):  # what systems keep for themselves, such as ._a.wav of macOS
                        continue
                    path = f"{inner}{entry.name}"
                    if _is_folder(entry):
                        waiting.append((f"{path}/", (*above, identity)))
                    elif os.path.splitext(entry.name)[1].lower() in suffixes:
                        yield path
        except OSError as error:
            if not inner:
                raise PlanningError(f"{folder}: {error.strerror}; is {option} right, and mounted?") from error
            where = error.filename or place
            raise PlanningError(f"{where}: {error.strerror}; mend it, or take it out of {option}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself leads nowhere, as one whose target is gone
            return False
        raise
