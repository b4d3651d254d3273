"""scripts/speaker/boundaries/folders.py and folder_files.py: the recordings of each speaker in a folder."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.shared.errors import JobError
from scripts.speaker.boundaries.folders import MANIFEST, write_folders

WAYS = ("symlink", "hardlink", "copy")
FIRST = [["a/1.wav", "a/2.wav"], ["b/1.wav"]]
SECOND = [["a/1.wav"], ["a/2.wav", "b/1.wav"]]


class Place:
    """A folder of recordings, a result and an output folder."""

    def __init__(self, root: Path) -> None:
        self.input_dir, self.output, self.root = root / "in", root / "boundaries", root
        for speaker in FIRST:
            for path in speaker:
                self.record(path)

    def record(self, path: str) -> None:
        (self.input_dir / path).parent.mkdir(parents=True, exist_ok=True)
        (self.input_dir / path).write_text(f"sound of {path}")

    def write(self, speakers: list[list[str]], how: str = "symlink", **options: Any) -> dict[str, Any]:
        result = {
            "boundaries": [0, 1],
            "speakers": [
                {"speaker_id": f"speaker_{number:03}", "audio_files": paths, "no_embedding": []}
                for number, paths in enumerate(speakers, 1)
            ],
            "undecided": options.pop("undecided", []),
        }
        (self.root / "result.json").write_text(json.dumps(result))
        return write_folders(
            result=self.root / "result.json",
            input_dir=self.input_dir,
            output=self.output,
            report=self.root / "report.json",
            materialise=how,
            **options,
        )

    def tree(self) -> dict[str, str]:
        """Content of every file below the output folder but the manifest."""
        files = (path for path in self.output.rglob("*") if not path.is_dir() and path.name != MANIFEST)
        return {path.relative_to(self.output).as_posix(): path.read_text() for path in files}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def expected(speakers: list[list[str]]) -> dict[str, str]:
    return {
        f"speaker_{number:03}/{path}": f"sound of {path}" for number, paths in enumerate(speakers, 1) for path in paths
    }


@pytest.mark.parametrize("how", WAYS)
def test_each_speaker_has_a_folder_with_the_tree_of_its_recordings(place: Place, how: str) -> None:
    report = place.write(FIRST, how)
    assert place.tree() == expected(FIRST)
    assert (report["made"], report["kept"], report["removed"]) == (3, 0, 0)
    made = place.output / "speaker_001/a/1.wav"
    assert made.is_symlink() == (how == "symlink")
    assert made.samefile(place.input_dir / "a/1.wav") == (how != "copy")


@pytest.mark.parametrize("how", WAYS)
def test_the_same_again_changes_nothing(place: Place, how: str) -> None:
    place.write(FIRST, how)
    before = {path: path.lstat().st_ctime_ns for path in place.output.rglob("*")}
    report = place.write(FIRST, how)
    assert (report["made"], report["kept"], report["removed"]) == (0, 3, 0)
    assert {path: path.lstat().st_ctime_ns for path in place.output.rglob("*")} == before


@pytest.mark.parametrize("then", [*WAYS, "none"])
@pytest.mark.parametrize("how", WAYS)
def test_other_boundaries_leave_nothing_stale(place: Place, how: str, then: str) -> None:
    place.write([*FIRST, ["a/2.wav"]], how)
    place.write(SECOND, then)
    assert place.tree() == ({} if then == "none" else expected(SECOND))
    assert sorted(path.name for path in place.output.iterdir()) == (
        [MANIFEST] if then == "none" else [MANIFEST, "speaker_001", "speaker_002"]
    )
    assert (place.input_dir / "a/2.wav").read_text() == "sound of a/2.wav"


def test_no_folders_are_made_where_none_are_wanted(place: Place) -> None:
    assert place.write(FIRST, "none")["made"] == 0
    assert place.tree() == {}


def test_flat_folders_number_equal_names(place: Place) -> None:
    for path in ("c/1-2.wav", "d/1.wav"):
        place.record(path)
    place.write([["a/1.wav", "b/1.wav", "c/1-2.wav", "d/1.wav"]], flat=True)
    assert place.tree() == {
        "speaker_001/1.wav": "sound of a/1.wav",
        "speaker_001/1-3.wav": "sound of b/1.wav",
        "speaker_001/1-2.wav": "sound of c/1-2.wav",
        "speaker_001/1-4.wav": "sound of d/1.wav",
    }


def test_a_file_between_two_speakers_lies_with_neither(place: Place) -> None:
    undecided = [{"relative_path": "b/1.wav", "between": ["speaker_001", "speaker_002"]}]
    place.write([["a/1.wav"], ["a/2.wav"]], undecided=undecided)
    assert set(place.tree()) == {"speaker_001/a/1.wav", "speaker_002/a/2.wav", "undecided/b/1.wav"}


def test_a_missing_recording_is_named_and_the_others_are_made(place: Place) -> None:
    (place.input_dir / "a/2.wav").unlink()
    report = place.write(FIRST)
    assert report["missing"] == ["a/2.wav"]
    assert set(place.tree()) == {"speaker_001/a/1.wav", "speaker_002/b/1.wav"}


@pytest.mark.parametrize("path", ["../out.wav", "/etc/passwd", "a/../../out.wav", "a//1.wav", "", "a/\0.wav", "."])
@pytest.mark.parametrize("flat", [False, True])
def test_a_path_that_leads_out_is_left_out(place: Place, path: str, flat: bool) -> None:
    (place.root / "out.wav").write_text("outside")
    before = {path for path in place.root.rglob("*") if place.output not in path.parents}
    report = place.write([["a/1.wav", path]], flat=flat)
    assert report["unusable"] == [path]
    assert list(place.tree()) == [f"speaker_001/{'' if flat else 'a/'}1.wav"]
    after = {path for path in place.root.rglob("*") if place.output not in path.parents}
    assert after - before == {place.output, place.root / "result.json", place.root / "report.json"}


@pytest.mark.parametrize("how", WAYS)
def test_a_file_of_the_users_in_the_way_is_left_and_named(place: Place, how: str) -> None:
    own = place.output / "speaker_001/a/1.wav"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    for _ in range(2):
        report = place.write(FIRST, how)
        assert report["not_ours"] == ["speaker_001/a/1.wav"]
        assert place.tree() == {**expected(FIRST), "speaker_001/a/1.wav": "mine"}
    place.write(SECOND, "none")
    assert place.tree() == {"speaker_001/a/1.wav": "mine"}


@pytest.mark.parametrize("text", ["my own", "my own cut of it"])  # the second as long as the recording
@pytest.mark.parametrize("how", WAYS)
def test_a_made_file_that_the_user_replaced_is_left_and_named(place: Place, how: str, text: str) -> None:
    place.write(FIRST, how)
    own = place.output / "speaker_002/b/1.wav"
    own.unlink()
    own.write_text(text)
    if len(text) > 6:
        os.utime(own, ns=(0, own.stat().st_mtime_ns + 3_000_000_000))
    report = place.write([["a/1.wav"]], how)
    assert report["not_ours"] == ["speaker_002/b/1.wav"]
    assert place.tree() == {"speaker_001/a/1.wav": "sound of a/1.wav", "speaker_002/b/1.wav": text}


def test_a_users_file_beside_the_made_ones_stays(place: Place) -> None:
    place.write(FIRST)
    (place.output / "speaker_002/notes.txt").write_text("check the third")
    place.write([["a/1.wav"]])
    assert place.tree() == {"speaker_001/a/1.wav": "sound of a/1.wav", "speaker_002/notes.txt": "check the third"}


@pytest.mark.parametrize("how", WAYS)
def test_a_link_to_another_folder_is_never_followed(place: Place, how: str) -> None:
    place.write(FIRST, how)
    elsewhere = place.root / "elsewhere"
    shutil.move(place.output / "speaker_001/a", elsewhere)
    (place.output / "speaker_001/a").symlink_to(elsewhere)
    before = sorted(path.name for path in elsewhere.iterdir())
    place.record("a/3.wav")
    report = place.write([["a/3.wav"], ["b/1.wav"]], how)
    assert sorted(path.name for path in elsewhere.iterdir()) == before
    assert report["not_ours"] == ["speaker_001/a"]


@pytest.mark.parametrize("how", ["hardlink", "copy"])
def test_the_last_copy_of_a_recording_is_never_removed(place: Place, how: str) -> None:
    place.write(FIRST, how)
    (place.input_dir / "b/1.wav").unlink()
    report = place.write([["a/1.wav", "a/2.wav"]], how)
    assert report["last_copies"] == ["speaker_002/b/1.wav"]
    assert place.tree() == expected(FIRST)
    place.record("b/1.wav")
    if how == "copy":  # the recording is back, so its copy can go
        assert place.write([["a/1.wav", "a/2.wav"]], how)["removed"] == 1


@pytest.mark.parametrize("how", WAYS)
def test_what_was_made_stays_while_its_recording_cannot_be_seen(place: Place, how: str) -> None:
    place.write(FIRST, how)
    shutil.move(place.input_dir, place.root / "unmounted")
    report = place.write(FIRST, how)
    assert (len(report["missing"]), report["kept"], report["removed"]) == (3, 3, 0)
    shutil.move(place.root / "unmounted", place.input_dir)
    assert place.write(FIRST, how)["kept"] == 3
    assert place.tree() == expected(FIRST)


def test_a_lost_manifest_removes_nothing_and_takes_equal_links_over(place: Place) -> None:
    place.write(FIRST)
    (place.output / MANIFEST).write_text("{")
    report = place.write(SECOND)
    assert (report["kept"], report["made"], report["removed"]) == (2, 1, 0)
    assert place.tree() == {**expected(FIRST), **expected(SECOND)}


def test_links_follow_an_input_folder_that_moved(place: Place) -> None:
    place.write(FIRST)
    place.input_dir = place.input_dir.rename(place.root / "moved")
    place.write(FIRST)
    assert place.tree() == expected(FIRST)


def test_a_hard_link_that_cannot_be_made_says_what_to_set(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(JobError, match="set materialise to symlink or copy"):
        place.write(FIRST, "hardlink")


class Killed(BaseException):
    pass


def killing_calls(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let the process die in the middle of its k-th change of the disk."""
    real = {name: getattr(os, name) for name in ("symlink", "link", "unlink", "replace", "mkdir", "rmdir")}
    left = [0]

    def count() -> bool:
        left[0] -= 1
        return left[0] == 0

    def dying(name: str) -> Callable[..., None]:
        def call(*arguments: Any, **options: Any) -> None:
            if count():
                raise Killed
            real[name](*arguments, **options)

        return call

    def copy(source: str, target: str) -> None:
        content = Path(source).read_text()
        if count():
            Path(target).write_text(content[:5])
            raise Killed
        Path(target).write_text(content)
        shutil.copystat(source, target)

    for name in real:
        monkeypatch.setattr(os, name, dying(name))
    monkeypatch.setattr(shutil, "copy2", copy)
    return lambda after: left.__setitem__(0, after)


def steps() -> Iterator[tuple[list[list[str]], str]]:
    yield FIRST, "copy"
    yield SECOND, "symlink"
    yield [["b/1.wav"]], "copy"
    yield SECOND, "hardlink"


def test_what_a_killed_call_left_beside_the_manifest_is_removed(place: Place) -> None:
    place.write(FIRST)
    (place.output / f".polymill-12345678-{MANIFEST}").write_text("half")
    place.write(FIRST)
    assert sorted(path.name for path in place.output.iterdir()) == [MANIFEST, "speaker_001", "speaker_002"]


@pytest.mark.parametrize(
    ("last", "goes_on", "most"), [("hardlink", True, 50), ("symlink", False, 25), ("copy", False, 25)]
)
def test_whoever_is_killed_anywhere_leaves_what_the_next_call_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, goes_on: bool, most: int
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    kill_after = killing_calls(monkeypatch)
    n_killed = 0
    for after in range(1, most):
        kill_after(0)
        place = Place(tmp_path / str(after))
        kill_after(after)
        for speakers, how in steps():
            try:
                place.write(speakers, how)
            except Killed:
                n_killed += 1
                if not goes_on:
                    break
        kill_after(0)
        place.write(SECOND, last)
        assert place.tree() == expected(SECOND), after
        assert {path.name for path in place.output.iterdir()} == {MANIFEST, "speaker_001", "speaker_002"}
        assert place.write(SECOND, "none")["removed"] == 3
        assert [path.name for path in place.output.iterdir()] == [MANIFEST]
    assert n_killed == most - 1
