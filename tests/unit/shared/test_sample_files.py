"""Files in shared folders: they come, go and change names, and nothing outside is ever touched."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.shared.errors import JobError
from scripts.shared.sample_files import SharedFolders, is_path_inside, remove_empty_folders, remove_files
from tests.snakemake_run import everything

OUTSIDE = ["../x", "a/../../x", "/etc/x", "", ".", "..", "a//b", "a/", "a/./b", ".state/members", "a\0b"]


@pytest.fixture
def place(tmp_path: Path) -> SharedFolders:
    (tmp_path / "results").mkdir()
    return SharedFolders(tmp_path / "results")


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Makes files named so in a folder of an attempt."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "attempt" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"new {name}")
        return tmp_path / "attempt"

    return make


def put(place: SharedFolders, row: dict[str, Any] | None, names: list[str], folder: Path) -> list[dict[str, Any]]:
    """Put files in their place; what was said before anything on record changed."""
    said: list[dict[str, Any]] = []
    place.put("k", row, names, folder, lambda **fields: said.append(fields))
    return said


def ok(*names: str) -> dict[str, Any]:
    return {"key": "k", "status": "ok", "files": {name: [1, "0"] for name in names}}


@pytest.mark.parametrize("name", ["a", "a/b.pkl", "a/.hidden/b", "a b/..c", "a/b/c/d"])
def test_a_path_below_the_folder_is_followed(name: str) -> None:
    assert is_path_inside(name)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_elsewhere_is_never_followed(
    name: str, place: SharedFolders, made: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("mine")
    (place.dataset_dir / ".state").mkdir()
    (place.dataset_dir / ".state" / "members").write_text("mine")
    folder, before = made("a"), everything(tmp_path)
    assert remove_files(place.dataset_dir, [name]) == [name]
    remove_empty_folders(place.dataset_dir, [name])
    with pytest.raises(JobError, match="cannot name a file of a sample there"):
        put(place, None, ["a", name], folder)
    assert everything(tmp_path) == before


def test_new_files_come_with_an_unflushed_word_and_their_folders_are_made(
    place: SharedFolders, made: Callable[..., Path]
) -> None:
    said = put(place, None, ["a/b/c.pkl", "d/c.npy"], made("a/b/c.pkl", "d/c.npy"))
    assert said == [{"files": ["a/b/c.pkl", "d/c.npy"], "sync": False}]
    assert (place.dataset_dir / "a" / "b" / "c.pkl").read_text() == "new a/b/c.pkl"
    assert (place.dataset_dir / "d" / "c.npy").exists()


def test_before_anything_on_record_changes_all_names_old_and_new_are_said(
    place: SharedFolders, made: Callable[..., Path]
) -> None:
    put(place, None, ["e/a.pkl"], made("e/a.pkl"))
    said = put(place, ok("e/a.pkl"), ["e/a.wav.pkl"], made("e/a.wav.pkl"))
    assert said == [{"files": ["e/a.pkl", "e/a.wav.pkl"], "sync": True}]
    assert sorted(os.listdir(place.dataset_dir / "e")) == ["a.wav.pkl"]
    # A file without a row, as a kill leaves it.
    assert put(place, None, ["e/a.wav.pkl"], made("e/a.wav.pkl")) == [{"files": ["e/a.wav.pkl"], "sync": True}]


def test_a_sample_that_fails_loses_its_files_on_record_and_those_of_its_entry(
    place: SharedFolders, made: Callable[..., Path]
) -> None:
    put(place, None, ["e/a.pkl", "e/new.pkl", "e/b.pkl"], made("e/a.pkl", "e/new.pkl", "e/b.pkl"))
    said: list[Any] = []
    place.remove("k", ok("e/a.pkl"), ["e/new.pkl"], lambda **fields: said.append(fields))
    assert said == [{"files": ["e/a.pkl", "e/new.pkl"]}]
    assert os.listdir(place.dataset_dir / "e") == ["b.pkl"]
    place.remove("k", ok("e/a.pkl"), ["e/new.pkl"], lambda **fields: said.append(fields))
    assert len(said) == 1


def test_files_that_a_sample_had_in_a_folder_of_its_own_go_with_it(
    place: SharedFolders, made: Callable[..., Path]
) -> None:
    put(place, None, ["k/a.txt", "a.txt"], made("k/a.txt", "a.txt"))
    put(place, {**ok("a.txt"), "folder_mtime_ns": 1}, ["e/k.txt"], made("e/k.txt"))
    assert os.listdir(place.dataset_dir / "k") == []
    assert (place.dataset_dir / "a.txt").exists()


@pytest.mark.parametrize("in_the_way", ["e", "e/deep"])
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_what_is_in_the_place_of_a_folder_is_named_and_kept(
    in_the_way: str, kind: str, place: SharedFolders, made: Callable[..., Path]
) -> None:
    path = place.dataset_dir / in_the_way
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine") if kind == "file" else path.symlink_to("nowhere")
    with pytest.raises(JobError, match=rf"results/{in_the_way} is no folder, but files of samples belong below it"):
        put(place, None, ["e/deep/a.pkl"], made("e/deep/a.pkl"))
    assert path.is_symlink() or path.read_text() == "mine"


def test_a_folder_in_the_place_of_a_file_is_an_error_with_its_path(
    place: SharedFolders, made: Callable[..., Path]
) -> None:
    (place.dataset_dir / "e" / "a.pkl").mkdir(parents=True)
    with pytest.raises(IsADirectoryError) as caught:
        put(place, None, ["e/a.pkl"], made("e/a.pkl"))
    assert str(caught.value.filename2).endswith("e/a.pkl")
    assert remove_files(place.dataset_dir, ["e/a.pkl"]) == ["e/a.pkl"]


def test_nothing_behind_a_link_is_removed(place: SharedFolders, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    (elsewhere / "deep" / "a.pkl").write_text("mine")
    (place.dataset_dir / "link").symlink_to(elsewhere)
    (place.dataset_dir / "b.pkl").symlink_to(elsewhere / "deep" / "a.pkl")
    names = ["link/deep/a.pkl", "b.pkl", "gone/a.pkl"]
    assert remove_files(place.dataset_dir, names) == ["link/deep/a.pkl"]
    (elsewhere / "deep" / "a.pkl").unlink()
    remove_empty_folders(place.dataset_dir, names)
    assert (elsewhere / "deep").is_dir()
    assert os.listdir(place.dataset_dir) == ["link"]


def test_only_empty_folders_around_removed_files_go(place: SharedFolders, made: Callable[..., Path]) -> None:
    names = ["e/a/x.pkl", "e/b/c/x.pkl", "f/x.pkl"]
    put(place, None, [*names, "f/y.pkl"], made(*names, "f/y.pkl"))
    (place.dataset_dir / "empty").mkdir()
    assert remove_files(place.dataset_dir, names) == []
    remove_empty_folders(place.dataset_dir, names)
    assert sorted(os.listdir(place.dataset_dir)) == ["empty", "f"]


def test_folders_whose_older_files_were_replaced_are_flushed_and_no_others(
    place: SharedFolders, made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(place, None, ["e/a.pkl"], made("e/a.pkl"))
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(os.readlink(f"/proc/self/fd/{number}")))
    put(place, ok("e/a.pkl"), ["e/a.pkl", "f/a.pkl"], made("e/a.pkl", "f/a.pkl"))
    assert [Path(path).name for path in flushed] == ["e"]
