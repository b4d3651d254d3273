"""Which files an index of another program lists: their paths alone, since its vectors are of another space. Light."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from scripts.shared.errors import PlanningError

_SQLITE = b"SQLite format 3\0"
_TABLES = ("image", "video")


def listed_files(path: Path, folders: Mapping[str, str]) -> frozenset[str]:
    """The real paths of the files that a list names.

    Args:
        path: an assets.db with the tables `image` and `video`, each with a column `path`, which is only read; or a text
            file in UTF-8 with a path a line.
        folders: by name, as configured; each path must lie below one of them.

    Raises:
        PlanningError: it cannot be read, is no such list, names no file, or one outside of the folders.
    """
    try:
        with path.open("rb") as file:
            is_database = file.read(len(_SQLITE)) == _SQLITE
        names = _of_database(path) if is_database else _of_text(path)
    except OSError as error:
        raise PlanningError(f"assets_from: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PlanningError(f"assets_from: {path}: neither an assets.db nor a text in UTF-8 ({error})") from error
    if not names:
        raise PlanningError(f"assets_from: {path}: names no file")
    real = {name: os.path.realpath(name) for name in names}
    roots = tuple(os.path.realpath(folder) + os.sep for folder in folders.values())
    if outside := [name for name in names if not real[name].startswith(roots)]:
        raise PlanningError(
            f"assets_from: {path}: {len(outside):,} of {len(names):,} paths lie below none of the folders, such as "
            f"{outside[0]!r:.200}; name their folder in folders, or mend the list"
        )
    return frozenset(real.values())


def _of_text(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return list(dict.fromkeys(line for line in map(str.strip, lines) if line and not line.startswith("#")))


def _of_database(path: Path) -> list[str]:
    """Paths of both tables; a video has a row a frame."""
    found: dict[str, None] = {}
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            there = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            tables = [table for table in _TABLES if table in there]
            if not tables:
                raise PlanningError(
                    f"assets_from: {path}: has none of the tables {', '.join(_TABLES)}: is it the assets.db of a "
                    "material search?"
                )
            for table in tables:
                rows = database.execute(f"SELECT DISTINCT path FROM {table} ORDER BY path")  # noqa: S608 - own names
                found.update((name, None) for (name,) in rows if isinstance(name, str) and name)
    except sqlite3.Error as error:
        raise PlanningError(f"assets_from: {path}: cannot be read as an assets.db: {error}") from error
    return list(found)
