"""The list of a dataset: which files are assets, which cannot be, and when a run must not go on."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scripts.search.assets import AssetList, check_not_gone, kind_of
from scripts.search.old_index import listed_files
from scripts.shared.errors import PlanningError


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def listed(folders: dict[str, Path], **options: object) -> dict[str, dict[str, object]]:
    assets = AssetList({name: str(path) for name, path in folders.items()}, frame_interval=2, **options)  # type: ignore[arg-type]
    entries = assets.read()
    keys = [entry.key for entry in entries]
    assert keys == sorted(keys)
    assert all(json.loads(entry.entry).get("source", "") == entry.source for entry in entries)
    return {entry.key: json.loads(entry.entry) for entry in entries}


def test_pictures_and_videos_of_all_folders_are_listed_by_path(tmp_path: Path) -> None:
    put(*(tmp_path / name for name in ("a/x.JPG", "a/sub/y.heic", "a/note.txt", "a/.hidden.png", "b/z.MKV", "b/x.jpg")))
    found = listed({"b": tmp_path / "b", "a": tmp_path / "a"})
    assert list(found) == ["a/sub/y.heic", "a/x.JPG", "b/x.jpg", "b/z.MKV"]
    assert found["a/x.JPG"] == {"files": ["vectors/a/x.JPG.npz"], "kind": "image", "source": "a/x.JPG"}
    assert found["b/z.MKV"]["kind"] == "video"
    assert found["b/z.MKV"]["frame_interval"] == 2


def test_a_link_out_of_the_folders_is_a_failed_asset_and_one_within_is_not(tmp_path: Path) -> None:
    put(tmp_path / "a/x.jpg", tmp_path / "b/y.jpg", tmp_path / "secret/z.jpg")
    (tmp_path / "a/to_b.jpg").symlink_to(tmp_path / "b/y.jpg")
    (tmp_path / "a/out.jpg").symlink_to(tmp_path / "secret/z.jpg")
    (tmp_path / "a/folder").symlink_to(tmp_path / "secret")
    (tmp_path / "secretive").mkdir()
    found = listed({"a": tmp_path / "a", "b": tmp_path / "b"})
    assert {key for key, entry in found.items() if "error" in entry} == {"a/out.jpg", "a/folder/z.jpg"}
    error, message = found["a/out.jpg"]["error"]  # type: ignore[misc]
    assert error == "outside"
    assert f"{tmp_path}/secret/z.jpg, outside of the folders" in message


def test_names_that_cannot_be_are_failed_assets(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    put(folder / "line\nbreak.mp4", folder / f"{'é' * 124}.jpg", folder / "x.jpg", folder / "x.jpg.npz" / "y.jpg")
    put(Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")))
    found = listed({"a": folder})
    errors = {key: entry["error"][0] for key, entry in found.items() if "error" in entry}  # type: ignore[index]
    assert errors == {
        "a/line?break.mp4 (place 0)": "bad_name",
        "a/x.jpg": "name_clash",
        "a/?.png (place 4)": "bad_name",
        f"a/{'é' * 124}.jpg": "bad_name",
    }
    assert {kind_of(key) for key in errors if ".mp4" in key} == {"video"}


def test_only_what_another_index_lists_is_kept(tmp_path: Path) -> None:
    put(tmp_path / "a/x.jpg", tmp_path / "a/y.jpg")
    path = tmp_path / "list.txt"
    path.write_text(f"# mine\n\n{tmp_path}/a/y.jpg\n{tmp_path}/a/gone.jpg\n", encoding="utf-8")
    only = listed_files(path, {"a": f"{tmp_path}/a"})
    assert list(listed({"a": tmp_path / "a"}, only=only)) == ["a/y.jpg"]


def test_an_old_index_gives_the_paths_of_both_tables_each_once(tmp_path: Path) -> None:
    path, folders = tmp_path / "assets.db", {"a": f"{tmp_path}/a"}
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE image (path TEXT)")
        database.execute("CREATE TABLE video (path TEXT, frame_time INTEGER)")
        database.execute("INSERT INTO image VALUES (?)", (f"{tmp_path}/a/x.jpg",))
        database.executemany("INSERT INTO video VALUES (?, ?)", [(f"{tmp_path}/a/y.mp4", time) for time in range(9)])
    assert listed_files(path, folders) == {f"{tmp_path}/a/x.jpg", f"{tmp_path}/a/y.mp4"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/etc/passwd\n", "1 of 1 paths lie below none of the folders, such as '/etc/passwd'"),
        ("a/../../secret.jpg\n", "1 of 1 paths lie below none"),
        ("# nothing\n", "names no file"),
        ("\udcff", "neither an assets.db nor a text in UTF-8"),
    ],
)
def test_a_list_that_leads_elsewhere_or_is_none_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(PlanningError, match=says):
        listed_files(path, {"a": str(tmp_path / "a")})


def test_a_database_without_the_tables_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as database, database:
        database.execute("CREATE TABLE other (path TEXT)")
    with pytest.raises(PlanningError, match="has none of the tables image, video"):
        listed_files(tmp_path / "other.db", {"a": "a"})
    with pytest.raises(PlanningError, match="No such file"):
        listed_files(tmp_path / "none.db", {"a": "a"})


FOLDERS = {"a": "/mnt/a", "b": "/mnt/b"}


def check(found: list[str], indexed: list[str]) -> None:
    check_not_gone(found, indexed, FOLDERS, label="search x", max_gone_fraction=0.05)


def test_few_files_may_go_and_a_folder_that_is_no_more_configured_too() -> None:
    many = [f"a/{number}.jpg" for number in range(400)]
    check(many[20:], many)
    check(["a/1.jpg"], ["a/1.jpg", "a/2.jpg", "c/1.jpg", "c/2.jpg"])
    check([], [])


def test_a_folder_that_shows_none_of_its_files_or_too_few_of_many_stops_the_run() -> None:
    with pytest.raises(PlanningError, match=r"2 of 2 files .* cannot be seen now in /mnt/b: is it mounted\?"):
        check(["a/1.jpg"], ["a/1.jpg", "b/1.jpg", "b/2.jpg"])
    many = [f"a/{number}.jpg" for number in range(400)]
    with pytest.raises(PlanningError, match="21 of 400 files"):
        check(many[21:], many)
