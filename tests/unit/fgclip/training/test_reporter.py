import ast
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip.training.learner import Measured
from scripts.fgclip.training.reporter import Reporter, chance_line, slow_data, stuck_at_chance
from scripts.shared.training.metrics_log import read_rows
from tests.unit.fgclip.training.small_run import options


def reported(run_dir: Path, steps: range, *, loss: float = 1.0, of: int = 8, **changed: Any) -> None:
    given = {"per_epoch": 2, "steps": of, "identity": "i" * 32, "data": "d" * 32, "device": "CPU"}
    with Reporter(run_dir, options(epochs=4, **changed), done=steps.start, **given) as reporter:  # type: ignore[arg-type]
        for taken in steps:
            measured = Measured(loss + taken, loss, 2.0, math.log(4), 1.5, 8, 0.7)
            reporter.step(taken + 1, measured, lr=1e-5, scales={"logit_scale": 2.5}, data_s=0.0)
        reporter.saving()


def test_the_trainer_log_has_the_lines_of_the_guide(tmp_path: Path) -> None:
    """Defects T2 and T7 of the guide's program: the epoch stayed 0, and the file was never written."""
    reported(tmp_path, range(8))
    lines = (tmp_path / "trainer_log.txt").read_text().splitlines()
    assert lines[0].startswith("Chance: loss_global ln(4) = 1.3863, loss_region ln(regions of a batch) <= 2.4849")
    assert [line for line in lines if "Training Epoch" in line] == [f"Training Epoch {k}/4" for k in range(1, 5)]
    assert lines.index("Training Epoch 2/4") == 4
    first = ast.literal_eval(lines[2])
    assert list(first) == ["loss", "loss_global", "loss_region", "learning_rate", "grad_norm", "epoch"]
    assert (first["epoch"], first["learning_rate"]) == (0.5, 1e-5)


def test_the_curves_have_their_names_and_one_writer(tmp_path: Path) -> None:
    """Defect T5 of the guide's program: two writers on one tag and step."""
    reported(tmp_path, range(3), of=3)
    (board,) = (tmp_path / "tensorboard").iterdir()
    for tag in ("loss", "loss_global", "loss_region", "learning_rate", "grad_norm"):
        assert board.read_bytes().count(f"train/{tag}".encode() + b"\x15") == 3  # name, then a float of four bytes
    assert [row["chance_global"] for row in read_rows(tmp_path / "metrics.jsonl")] == [pytest.approx(math.log(4))] * 3


def test_a_training_that_goes_on_has_the_log_of_one_that_did_not_stop(tmp_path: Path) -> None:
    """Defect T6 of the guide's program: a log was emptied when the training went on."""
    reported(tmp_path / "whole", range(8))
    reported(tmp_path / "parts", range(5))
    with (tmp_path / "parts" / "trainer_log.txt").open("a") as file:
        file.write("{'loss': a line of a ste")
    reported(tmp_path / "parts", range(3, 8))
    for name in ("trainer_log.txt", "metrics.jsonl"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    attempts = (tmp_path / "parts" / "training_start.log").read_text()
    assert attempts.count("test begins after step") == 2
    assert "begins after step 3" in attempts


def test_between_the_steps_that_are_logged_no_row_is_written(tmp_path: Path) -> None:
    reported(tmp_path, range(8), log_steps=3)
    assert [row["step"] for row in read_rows(tmp_path / "metrics.jsonl")] == [1, 3, 6, 8]


def test_train_log_holds_all_rows_and_chance(tmp_path: Path) -> None:
    given = {"per_epoch": 2, "steps": 2, "identity": "i", "data": "d", "device": "CPU", "done": 0}
    with Reporter(tmp_path, options(), **given) as reporter:  # type: ignore[arg-type]
        reporter.step(1, Measured(1, 1, 1, 1, 1, 4, 1), lr=1e-5, scales={}, data_s=0)
        reporter.held_out(2, Measured(3, 1, 1, 1, 1, 4))
        reporter.saving()
        reporter.write_log()
    log = json.loads((tmp_path / "train_log.json").read_text())
    assert log["chance"]["loss_global"] == 1.3863
    assert [row.get("loss_held_out") for row in log["log_history"]] == [None, 3]


def test_a_loss_at_chance_after_the_warm_up_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        reported(tmp_path / "stuck", range(60), of=60, loss=math.log(4))
        reported(tmp_path / "learns", range(60), of=60, loss=0.5)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "after the warm-up loss_global is 1.386, chance 1.386: nothing is learnt" in caplog.text


def test_waiting_for_videos_is_told_with_the_mend() -> None:
    assert "70% of the time goes by in waiting for videos; raise num_workers (4) to 8" in slow_data(70, 100, 4)
    assert slow_data(40, 100, 4) == ""
    assert slow_data(30, 31, 4) == ""  # the first items always take a while


def test_a_falling_loss_is_not_at_chance() -> None:
    assert stuck_at_chance([(1.0, 1.386)] * 10) == ""


def test_the_first_line_speaks_of_the_guides_targets() -> None:
    assert "global < 2.0" in chance_line(options())
