"""What users write by the page: tags, and which assets are hidden; by path, so that a new index changes nothing."""

import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.shared.errors import ConfigError

MAX_TAGS = 50
MAX_TAG_LENGTH = 64
_VERSION = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS tag (path TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (path, tag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hidden (path TEXT PRIMARY KEY) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
"""


class UserDatabase:
    """The file `user.db`, open as long as the server runs, and its content in memory.

    Args:
        path: it is made where there is none.

    Raises:
        ConfigError: it is damaged, another's, or cannot be written; names the mend.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._tags: dict[str, tuple[str, ...]] = {}
        self._hidden: set[str] = set()
        self.changes = 0  # counts what was written
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open(path)
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(
                f"{path}: tags and hidden files cannot be kept in it ({error}); move it away, or make it writable"
            ) from error

    def _open(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"its version is {version}, not {_VERSION}")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.executescript(_SCHEMA)
        for file, tag in self._database.execute("SELECT path, tag FROM tag ORDER BY path, tag"):
            self._tags[file] = (*self._tags.get(file, ()), tag)
        self._hidden = {row[0] for row in self._database.execute("SELECT path FROM hidden")}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def tags_of(self, path: str) -> tuple[str, ...]:
        """An asset's tags, in alphabetical order."""
        return self._tags.get(path, ())

    def tagged(self) -> Mapping[str, tuple[str, ...]]:
        """The tags of all assets that have any, by path."""
        with self._lock:
            return dict(self._tags)

    def paths_tagged(self, tag: str) -> list[str]:
        """The paths of the assets with a tag."""
        with self._lock:
            return [path for path, tags in self._tags.items() if tag in tags]

    def hidden(self) -> frozenset[str]:
        """The paths of hidden assets."""
        with self._lock:
            return frozenset(self._hidden)

    def set_tags(self, path: str, tags: Iterable[str]) -> tuple[str, ...]:
        """Give an asset these tags and no others; returns them as they are kept."""
        kept = tuple(sorted(set(tags)))
        with self._lock:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.execute("DELETE FROM tag WHERE path = ?", (path,))
                self._database.executemany("INSERT INTO tag VALUES (?, ?)", [(path, tag) for tag in kept])
            if kept:
                self._tags[path] = kept
            else:
                self._tags.pop(path, None)
            self.changes += 1
        return kept

    def hide(self, path: str) -> None:
        """Leave an asset out of all answers."""
        self._write("INSERT OR IGNORE INTO hidden VALUES (?)", path)

    def restore(self, path: str) -> None:
        """Take a hidden asset back."""
        self._write("DELETE FROM hidden WHERE path = ?", path)

    def _write(self, statement: str, path: str) -> None:
        with self._lock:
            self._database.execute(statement, (path,))
            self._hidden = {row[0] for row in self._database.execute("SELECT path FROM hidden")}
            self.changes += 1


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Tags as they are kept: without blanks around them, each once.

    Raises:
        ValueError: one is empty, too long, or holds what is no text; or they are too many.
    """
    cleaned = list(dict.fromkeys(" ".join(tag.split()) for tag in tags))
    if len(cleaned) > MAX_TAGS:
        raise ValueError(f"at most {MAX_TAGS} tags")
    for tag in cleaned:
        if not 1 <= len(tag) <= MAX_TAG_LENGTH or not tag.isprintable():
            raise ValueError(f"a tag has 1 to {MAX_TAG_LENGTH} characters that can be printed")
    return cleaned
