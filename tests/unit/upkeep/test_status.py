"""The command behind `make status`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.upkeep import status


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
