"""Files kept until they are too many."""

import os
from pathlib import Path

import pytest

from scripts.search.server.kept_files import KeptFiles
from scripts.shared.errors import SampleError


def test_a_file_is_made_once_and_bounded_in_all(tmp_path: Path) -> None:
    kept, made = KeptFiles(tmp_path, ".bin", most_bytes=1000), []

    def make(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"x" * 100)

    for number in range(30):
        path = kept.get(("a", number), make)
        os.utime(path, ns=(number, number))
        assert path.stat().st_size == 100
    assert len(made) == 30
    assert kept.get(("a", 29), make).exists()
    assert len(made) == 30
    assert sum(file.stat().st_size for file in tmp_path.rglob("*.bin")) <= 1000
    assert not list(tmp_path.glob(".polymill-*"))


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    kept = KeptFiles(tmp_path, ".bin", most_bytes=1000)

    def make(path: Path) -> None:
        path.write_bytes(b"half")
        raise SampleError("damaged", "no more")

    with pytest.raises(SampleError):
        kept.get(("a",), make)
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_what_others_have_in_hand_is_neither_counted_nor_removed(tmp_path: Path) -> None:
    in_hand = tmp_path / ".polymill-other" / "made.bin"
    in_hand.parent.mkdir()
    in_hand.write_bytes(b"x" * 900)
    kept = KeptFiles(tmp_path, ".bin", most_bytes=1000)
    paths = [kept.get((number,), lambda path: path.write_bytes(b"x" * 100) and None) for number in range(3)]
    assert all(path.exists() for path in [*paths, in_hand])


def test_what_a_killed_server_had_in_hand_is_removed_in_time(tmp_path: Path) -> None:
    old, new = tmp_path / ".polymill-old", tmp_path / ".polymill-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    KeptFiles(tmp_path, ".bin", most_bytes=1000).get(("a",), lambda path: path.write_bytes(b"1") and None)
    assert not old.exists()
    assert new.exists()
