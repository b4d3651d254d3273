"""Files that are whole or absent."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.shared import atomic_files
from tests.snakemake_run import ROOT

KILLED = (
    "import os, signal, sys\nfrom pathlib import Path\nfrom scripts.shared import atomic_files\n"
    "os.fsync = lambda _: {deed}\natomic_files.write_bytes(Path(sys.argv[1]), b'new')\n"
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_lines_are_written_one_after_the_other(tmp_path: Path) -> None:
    atomic_files.write_lines(tmp_path / "lines", (f"{word}\n" for word in ("红色", "b")))
    assert (tmp_path / "lines").read_text(encoding="utf-8") == "红色\nb\n"
    assert names(tmp_path) == ["lines"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        atomic_files.write_bytes(path, b"new")
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["file"])


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    code = KILLED.format(deed="os.kill(os.getpid(), signal.SIGKILL)")
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], cwd=ROOT, check=False)
    assert ran.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    atomic_files.remove_leftovers(atomic_files.leftovers(tmp_path, deep=True))
    assert names(tmp_path) == []


def test_a_living_writers_file_is_left_alone(tmp_path: Path) -> None:
    code = KILLED.format(deed="(print('writing', flush=True), sys.stdin.readline())")
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "file")], cwd=ROOT, stdin=pipe, stdout=pipe, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    atomic_files.remove_leftovers(atomic_files.leftovers(tmp_path, deep=True))
    process.communicate("\n")
    assert (process.returncode, names(tmp_path)) == (0, ["file"])


def test_a_file_taken_for_a_leftover_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = atomic_files.fcntl.flock, []

    def flock(file: object, how: int) -> None:
        if not seen:
            seen.append(how)
            for path in atomic_files.leftovers(tmp_path, deep=False):
                path.unlink()
        real(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(atomic_files.fcntl, "flock", flock)
    atomic_files.write_bytes(tmp_path / "file", b"new")
    assert ((tmp_path / "file").read_bytes(), names(tmp_path)) == (b"new", ["file"])


def test_leftovers_of_deeper_folders_are_found_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".polymill-1-x").touch()
    assert atomic_files.leftovers(tmp_path, deep=False) == []
    assert len(atomic_files.leftovers(tmp_path, deep=True)) == 1
    assert atomic_files.leftovers(tmp_path / "none", deep=True) == []


def test_text_that_is_no_unicode_is_written_all_the_same(tmp_path: Path) -> None:
    atomic_files.write_text(tmp_path / "file", "a\ud800é")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "a\\ud800é"
    atomic_files.write_json(tmp_path / "json", {"b": 1, "a": "é"})
    assert json.loads((tmp_path / "json").read_text()) == {"a": "é", "b": 1}


def test_folders_on_the_way_are_made_and_can_be_flushed(tmp_path: Path) -> None:
    atomic_files.write_bytes(tmp_path / "a" / "b" / "c", b"x")
    atomic_files.sync_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"x"
