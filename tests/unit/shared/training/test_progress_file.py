import math
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.shared.training.progress_file import TrainingProgress, read_progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_file_tells_the_step_the_loss_and_how_long_the_rest_takes(tmp_path: Path, clock: Clock) -> None:
    progress = TrainingProgress(tmp_path / "p.json", epochs=2, steps=100, done=40, clock=clock)
    clock.now += 10
    assert progress.step(epoch=1, step=45, loss=0.5, lr=1e-3)
    seen = read_progress(tmp_path / "p.json")
    assert seen is not None
    assert (seen.epoch, seen.epochs, seen.step, seen.steps, seen.loss, seen.lr) == (1, 2, 45, 100, 0.5, 1e-3)
    assert seen.eta_s == 110  # 5 steps took 10 s, 55 are left


def test_it_is_written_at_most_every_few_seconds_but_always_at_the_end(tmp_path: Path, clock: Clock) -> None:
    progress = TrainingProgress(tmp_path / "p.json", epochs=1, steps=4, done=0, every_s=5, clock=clock)
    written = []
    for step in range(1, 5):
        written.append(progress.step(epoch=1, step=step, loss=1.0, lr=1.0))
        clock.now += 3
    assert written == [True, False, True, True]


def test_a_loss_that_is_no_number_is_said_as_none(tmp_path: Path) -> None:
    TrainingProgress(tmp_path / "p.json", epochs=1, steps=4, done=0).step(epoch=1, step=1, loss=math.nan, lr=1.0)
    seen = read_progress(tmp_path / "p.json")
    assert seen is not None
    assert seen.loss is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"epoch": 1}', '{"other": 1}'])
def test_a_file_that_cannot_be_read_tells_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(content)
    assert read_progress(tmp_path / "p.json") is None
    assert read_progress(tmp_path / "none.json") is None


def test_what_status_reads_imports_no_torch() -> None:
    modules = ("progress_file", "run_folder", "run_record", "metrics_log", "schedule", "launch")
    names = ", ".join(f"scripts.shared.training.{name}" for name in modules)
    heavy = "{'torch', 'numpy', 'matplotlib', 'tensorboardX'}"
    done = subprocess.run([sys.executable, "-c", f"import sys, {names}; print({heavy} & set(sys.modules))"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == "set()\n"
