"""A database that a program is writing is copied as it is between two changes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scripts.upkeep.backup_shard import DamagedError
from scripts.upkeep.live_database import copy_live, is_beside_live, is_live


def test_what_is_still_in_the_log_is_in_the_copy_and_what_is_under_way_is_not(tmp_path: Path) -> None:
    path, copy = tmp_path / "user.db", tmp_path / "copy.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE tag (tag TEXT)")
        writer.execute("INSERT INTO tag VALUES ('holiday')")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO tag VALUES ('half')")
        assert is_live(path)
        assert [is_beside_live(tmp_path / name) for name in ("user.db-wal", "user.db-shm", "user.db", "a-wal")] == [
            True, True, False, False,
        ]  # fmt: skip
        copy_live(path, copy)
        writer.execute("COMMIT")
    assert not is_live(path)
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro&immutable=1", uri=True)) as reader:
        assert reader.execute("SELECT tag FROM tag").fetchall() == [("holiday",)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "user.db"]


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "user.db").write_bytes(b"no database" * 99)
    with pytest.raises(DamagedError, match="cannot be copied as a database"):
        copy_live(tmp_path / "user.db", tmp_path / "copy.db")
