import os
from pathlib import Path

import imageio_ffmpeg
import pytest

from scripts.shared.errors import JobError
from scripts.shared.video.ffmpeg_program import ffmpeg_program, ffmpeg_version


def program(folder: Path, script: str) -> Path:
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_ffmpeg_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert ffmpeg_program() == str(own)


def test_without_one_on_path_it_is_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg_program() == imageio_ffmpeg.get_ffmpeg_exe()
    assert ffmpeg_version(ffmpeg_program())[:1] in set("nN0123456789")


def test_without_any_the_mend_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    with pytest.raises(JobError, match="make env-clip4mc"):
        ffmpeg_program()


def test_the_version_is_the_word_after_the_name(tmp_path: Path) -> None:
    path = program(tmp_path, "echo ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright; echo built with gcc")
    assert ffmpeg_version(str(path)) == "4.4.2-0ubuntu0.22.04.1"


def test_an_ffmpeg_that_does_not_run_is_named(tmp_path: Path) -> None:
    for path in (program(tmp_path, "exit 1"), tmp_path / "none"):
        with pytest.raises(JobError, match=f"{path} does not run"):
            ffmpeg_version(str(path))
