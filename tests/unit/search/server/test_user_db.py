"""What users write is kept, by one server or several."""

import sqlite3
from pathlib import Path

import pytest

from scripts.search.server.user_db import UserDatabase, clean_tags
from scripts.shared.errors import ConfigError


def test_tags_and_hidden_assets_are_there_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "user.db"
    users = UserDatabase(path)
    assert users.set_tags("a/1", ["y", "x", "y"]) == ("x", "y")
    users.set_tags("a/2", ["x"])
    users.set_tags("a/2", [])
    users.hide("a/3")
    users.hide("a/3")
    users.hide("a/4")
    users.restore("a/4")
    users.close()
    again = UserDatabase(path)
    assert dict(again.tagged()) == {"a/1": ("x", "y")}
    assert again.paths_tagged("x") == ["a/1"]
    assert again.hidden() == {"a/3"}
    again.close()


def test_what_was_written_survives_a_killed_server(tmp_path: Path) -> None:
    users = UserDatabase(tmp_path / "user.db")
    users.set_tags("a", ["x"])
    beside = tmp_path / "copy"
    beside.mkdir()
    for file in tmp_path.glob("user.db*"):
        (beside / file.name).write_bytes(file.read_bytes())
    assert UserDatabase(beside / "user.db").tags_of("a") == ("x",)
    users.close()


def test_two_servers_may_write(tmp_path: Path) -> None:
    one, two = UserDatabase(tmp_path / "user.db"), UserDatabase(tmp_path / "user.db")
    for number in range(20):
        one.set_tags(f"one/{number}", ["x"])
        two.set_tags(f"two/{number}", ["x"])
    one.close()
    two.close()
    assert len(UserDatabase(tmp_path / "user.db").tagged()) == 40


@pytest.mark.parametrize("damage", ["text", "version", "folder"])
def test_one_that_cannot_be_used_is_left_alone_and_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "user.db"
    if damage == "text":
        path.write_bytes(b"no database" * 500)
    elif damage == "version":
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 9")
        database.close()
    else:
        path.mkdir()
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(ConfigError, match=r"user\.db"):
        UserDatabase(path)
    assert not path.is_file() or path.read_bytes() == before


def test_tags_are_cleaned() -> None:
    assert clean_tags(["  a   b ", "a b", "红色"]) == ["a b", "红色"]
    for odd in ([""], [" "], ["x" * 65], ["\u202eabc"], [str(n) for n in range(51)]):
        with pytest.raises(ValueError, match="tag"):
            clean_tags(odd)
