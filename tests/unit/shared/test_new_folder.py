"""Folders that are whole or absent."""

from pathlib import Path

import pytest

from scripts.shared.new_folder import new_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_whole_in_the_place_of_the_old_one(tmp_path: Path) -> None:
    for word in ("old", "new"):
        with new_folder(tmp_path / "a" / "model") as made:
            (made / word).write_text(word)
            assert word not in names(tmp_path / "a" / "model") if word == "new" else not (tmp_path / "a/model").exists()
    assert (names(tmp_path / "a"), names(tmp_path / "a" / "model")) == (["model"], ["new"])


def test_a_failed_writer_leaves_the_old_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    with new_folder(tmp_path / "model") as made:
        (made / "old").touch()

    def write_half() -> None:
        with new_folder(tmp_path / "model") as half:
            (half / "half").touch()
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        write_half()
    assert (names(tmp_path), names(tmp_path / "model")) == (["model"], ["old"])


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    killed = new_folder(tmp_path / "model")
    (killed.__enter__() / "half").touch()  # and never ends
    with new_folder(tmp_path / "model") as made:
        (made / "whole").touch()
    assert (names(tmp_path), names(tmp_path / "model")) == (["model"], ["whole"])
