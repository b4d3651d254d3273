"""The command behind `make status`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.upkeep import status
from tests.snakemake_run import ROOT


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my.yaml"
    path.write_text("clip4mc: {datasets: {train: {pairs: p.json, clips_dir: clips}}}\n")
    return path


def test_it_prints_plain_lines_and_makes_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(["--configfile", str(config)]) == 0
    text = capsys.readouterr().out
    assert "clip4mc train, frames: not known\n  never begun\n" in text
    assert "free in results" in text
    assert "\033" not in text
    assert [path.name for path in config.parent.iterdir()] == ["my.yaml"]


def test_watching_prints_again_and_again_until_ctrl_c(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(status.time, "sleep", sleep)
    assert status.main(["--configfile", str(config), "--watch", "10"]) == 0
    assert slept == [10.0] * 3
    assert capsys.readouterr().out.count("Polymill, ") == 3


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_a_time_that_nobody_can_wait_is_refused(seconds: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        status.main(["--configfile", str(config), "--watch", seconds])
    assert f"--watch: '{seconds}' is no time that can be waited" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "my.yaml: No such file or directory"),
        (lambda path: path.write_text("a: [\n"), "my.yaml: no YAML: "),
        (lambda path: path.write_text("- a\n"), "my.yaml: holds no options"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "my.yaml: no YAML: "),
        (lambda path: path.write_text("clip4mc: {num_frame: 3}\n"), "my.yaml: clip4mc: no option 'num_frame'"),
    ],
)
def test_a_wrong_configuration_is_named(
    spoil: Callable[[Path], object], says: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(config)
    assert status.main(["--configfile", str(config)]) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_a_reader_that_goes_away_as_head_does_ends_it_without_a_word(command: str, config: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", f"scripts.upkeep.{command}", "--configfile", str(config)]
    ran = subprocess.run(words, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (-signal.SIGPIPE, "")
