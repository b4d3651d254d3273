import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.shared import layout
from scripts.shared.errors import PlanningError
from scripts.shared.planning.members import Members, save_members
from scripts.speaker.collection import Collection, check_not_gone, embedding_files, natural_key


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def keys(folder: Path, order: str = "path", order_csv: Path | None = None) -> list[str]:
    return [entry.key for entry in Collection(folder, order, order_csv).read()]


def errors(folder: Path, order_csv: Path | None = None) -> dict[str, list[str]]:
    entries = Collection(folder, "csv" if order_csv else "path", order_csv).read()
    found = {entry.key: json.loads(entry.entry) for entry in entries}
    return {key: entry["error"] for key, entry in found.items() if "error" in entry}


def test_recordings_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    tree(tmp_path, "b/1.wav", "a/2.MP3", "a/10.flac", "c.opus", "a/notes.txt", "a/cover.png")
    assert keys(tmp_path) == ["a/10.flac", "a/2.MP3", "b/1.wav", "c.opus"]


def test_natural_order_takes_numbers_as_numbers(tmp_path: Path) -> None:
    tree(tmp_path, "f_10.wav", "f_2.wav", "f_02.wav", "f_2b.wav")
    assert keys(tmp_path, "natural") == ["f_02.wav", "f_2.wav", "f_2b.wav", "f_10.wav"]


@given(st.lists(st.text("ab019._/", min_size=1, max_size=8)))
def test_natural_order_is_an_order(names: list[str]) -> None:
    assert sorted(set(names), key=natural_key) == sorted(sorted(set(names), reverse=True), key=natural_key)


def test_it_is_said_where_path_and_natural_order_differ(tmp_path: Path) -> None:
    tree(tmp_path, "f_1.wav", "f_10.wav", "f_2.wav")
    collection = Collection(tmp_path, "path", None)
    collection.read()
    assert ["path order takes f_10.wav before f_2.wav" in line for line in collection.remarks()] == [True]
    for folder, order in ((tmp_path, "natural"), (tree(tmp_path / "x", "a.wav", "b.wav"), "path")):
        collection = Collection(folder, order, None)
        collection.read()
        assert collection.remarks() == []


def test_a_csv_gives_the_order_and_what_it_leaves_out_is_said(tmp_path: Path) -> None:
    tree(tmp_path / "in", "a.wav", "b.wav", "c.wav")
    (tmp_path / "o.csv").write_text("relative_path,speaker\nc.wav,x\na.wav,y\n")
    collection = Collection(tmp_path / "in", "csv", tmp_path / "o.csv")
    assert [entry.key for entry in collection.read()] == ["c.wav", "a.wav"]
    assert collection.remarks() == [f"1 recordings in {tmp_path}/in are not in {tmp_path}/o.csv"]


def test_a_csv_line_that_cannot_be_a_recording_is_a_failed_sample(tmp_path: Path) -> None:
    tree(tmp_path / "in", "a.wav")
    (tmp_path / "o.csv").write_text("relative_path\na.wav\na.wav\n../a.wav\n/etc/passwd.wav\n\nx/./y.wav\n")
    found = errors(tmp_path / "in", tmp_path / "o.csv")
    assert {key: error[0] for key, error in found.items()} == {
        "a.wav (place 1)": "duplicate",
        "../a.wav (place 2)": "bad_name",
        "/etc/passwd.wav (place 3)": "bad_name",
        "x/./y.wav (place 4)": "bad_name",
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"path\na.wav\n", "must name the column relative_path"), (b"\xff\xfe", "not UTF-8")],
)
def test_a_csv_that_gives_no_order_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    tree(tmp_path / "in", "a.wav")
    if content is not None:
        (tmp_path / "o.csv").write_bytes(content)
    with pytest.raises(PlanningError, match=rf"o\.csv: .*{words}"):
        keys(tmp_path / "in", "csv", tmp_path / "o.csv")


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    tree(tmp_path, "readme.txt")
    with pytest.raises(PlanningError, match=r"no recording \(\.aac .*\) in it; is input_dir right"):
        keys(tmp_path)
    with pytest.raises(PlanningError, match="No such file"):
        keys(tmp_path / "absent")


def test_a_link_that_leads_nowhere_is_left_to_the_job(tmp_path: Path) -> None:
    tree(tmp_path, "a.wav")
    for name, target in {"gone.wav": "nowhere", "self.wav": "self.wav", "circle": "circle"}.items():
        (tmp_path / name).symlink_to(target)
    assert keys(tmp_path) == ["a.wav", "gone.wav", "self.wav"]


def test_an_input_dir_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("absent", "file"):
        with pytest.raises(PlanningError, match=f"{name}: No.* directory; is input_dir right"):
            keys(tmp_path / name)


@pytest.mark.parametrize("name", [b"a\nb.wav", b"caf\xe9.wav", b"a\x7f.wav"])
def test_a_name_that_no_list_can_hold_is_a_failed_sample(tmp_path: Path, name: bytes) -> None:
    tree(tmp_path, "ok.wav")
    (tmp_path / os.fsdecode(name)).write_bytes(b"")
    ((key, (error, message)),) = errors(tmp_path).items()
    assert (error, "rename it" in message) == ("bad_name", True)
    assert key.isprintable()
    assert "ok.wav" in keys(tmp_path)


def test_a_name_too_long_for_its_embedding_is_a_failed_sample(tmp_path: Path) -> None:
    tree(tmp_path, f"{'x' * 251}.wav", f"{'x' * 250}.flac", f"{'x' * 250}.wav")
    assert {error[0] for error in errors(tmp_path).values()} == {"bad_name"}
    assert len(errors(tmp_path)) == 2  # those two would need .flac.pkl and .wav.pkl


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["a.wav", "b/a.wav"], ["a.pkl", "b/a.pkl"]),
        (["a.wav", "a.flac"], ["a.wav.pkl", "a.flac.pkl"]),
        (["a.wav", "a.flac", "a.wav.mp3"], ["a.wav.pkl", "a.flac.pkl", "a.wav.mp3.pkl"]),
        (["a.pkl/b.wav", "a.wav"], ["a.pkl/b.pkl", "a.wav.pkl"]),
    ],
)
def test_no_two_recordings_share_an_embedding(names: list[str], files: list[str]) -> None:
    assert list(embedding_files(names).values()) == files


@given(st.lists(st.from_regex(r"[ab](/[ab](\.pkl)?){0,2}(\.wav|\.flac|\.mp3){1,2}", fullmatch=True), max_size=12))
def test_every_embedding_is_a_file_of_its_own(names: list[str]) -> None:
    files = embedding_files(names)
    folders = {folder.as_posix() for path in files.values() for folder in Path(path).parents}
    assert len(set(files.values())) == len(files)
    assert folders.isdisjoint(files.values())
    assert all(file == f"{name.rpartition('.')[0]}.pkl" or file == f"{name}.pkl" for name, file in files.items())


def test_an_embedding_that_cannot_but_take_the_name_of_a_folder_is_a_failed_sample(tmp_path: Path) -> None:
    tree(tmp_path, "a.pkl/x.wav", "a.wav.pkl/y.wav", "a.wav")
    assert {key: error[0] for key, error in errors(tmp_path).items()} == {"a.wav (place 1)": "name_clash"}


@pytest.mark.parametrize(("left", "stops"), [(100, False), (95, False), (94, True), (0, True)])
def test_a_folder_that_lost_many_recordings_stops_the_run(tmp_path: Path, left: int, stops: bool) -> None:
    known = Members({f"{number}.wav": 0 for number in range(100)})
    known.unsaved = list(known.shard_of)
    save_members(layout.members_file(tmp_path / "out"), known)
    (tmp_path / "in").mkdir()
    entries = Collection(tree(tmp_path / "in", "new.wav", *(f"{n}.wav" for n in range(left))), "path", None).read()

    def check() -> None:
        check_not_gone(entries, tmp_path / "out", label="speaker x", input_dir=Path("in"), max_gone_fraction=0.05)

    if stops:
        with pytest.raises(PlanningError, match=rf"speaker x: {100 - left} of 100 .* cannot be seen now in in: is it"):
            check()
    else:
        check()
