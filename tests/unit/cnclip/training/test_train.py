"""Whole trainings: what they leave, and that a kill changes none of it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.cnclip.model_files.folder import load_model, read_facts
from scripts.cnclip.model_files.official import load_official
from scripts.shared.errors import ConfigError
from scripts.shared.training.metrics_log import read_rows
from tests.unit.cnclip.training.small_run import make_place, start

ROOT = Path(__file__).resolve().parents[4]
STEPS = 24


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and model, and the run `whole` that nothing interrupted."""
    folder = tmp_path_factory.mktemp("training")
    make_place(folder, spoilt=3)
    start(folder, "whole")
    return folder


def command(place: Path, name: str, **changed: Any) -> list[str]:
    return [sys.executable, "-m", "tests.unit.cnclip.training.small_run", str(place), name, json.dumps(changed)]


def same_bytes(place: Path, one: str, other: str, name: str) -> bool:
    return (place / one / name).read_bytes() == (place / other / name).read_bytes()


def test_a_run_leaves_what_it_should(place: Path) -> None:
    run = place / "whole"
    rows = list(read_rows(run / "metrics.jsonl"))
    losses = [row["loss"] for row in rows if "loss" in row]
    assert [row["step"] for row in rows if "loss" in row] == [1, 10, 20, 24]
    assert losses[-1] < losses[0]
    # After every fifth step, and after each epoch of 3 steps.
    assert [row["step"] for row in rows if "validation_loss" in row] == [3, 5, 6, 9, 10, 12, 15, 18, 20, 21, 24]
    record = json.loads((run / "run.json").read_text())
    best = min((row for row in rows if "validation_loss" in row), key=lambda row: row["validation_loss"])
    assert (record["best_step"], record["steps"]) == (best["step"], STEPS)
    assert record["unreadable_pictures"] == 1
    assert record["peak_host_bytes"] > 1 << 20
    facts = read_facts(run / "model")
    assert facts.trained_on == ("before", "shapes")
    assert facts.weights_sha256 == record["model_sha256"]
    assert (run / "checkpoints" / "epoch8.pt").exists()
    assert json.loads((run / "progress.json").read_text())["step"] == STEPS


def test_the_model_is_that_of_the_best_validation(place: Path) -> None:
    model = load_model(place / "whole" / "model")
    found = torch.load(place / "whole" / "checkpoints" / "epoch_best.pt", weights_only=True)
    assert torch.equal(model.logit_scale, found["state_dict"]["module.logit_scale"])
    assert torch.equal(model.visual_projection.weight.T, found["state_dict"]["module.visual.proj"])


def test_a_checkpoint_is_an_official_one(place: Path) -> None:
    path = place / "whole" / "checkpoints" / "epoch_latest.pt"
    assert load_official(path).config.projection_dim == 20
    found = torch.load(path, weights_only=True)
    assert {"epoch", "step", "name", "state_dict", "optimizer"} <= set(found)
    assert (found["epoch"], found["step"], found["name"]) == (8, STEPS, "whole")


def test_the_log_has_upstreams_lines(place: Path) -> None:
    (log,) = (place / "whole").glob("out_*.log")
    assert re.search(
        r"Global Steps: 10/24 \| Train Epoch: 4 \[8/24 \(33%\)\] \| Loss: \d+\.\d{6} \| Image2Text Acc: \d+\.\d\d \| "
        r"Text2Image Acc: \d+\.\d\d \| Data Time: \d+\.\d{3}s \| Batch Time: \d+\.\d{3}s \| LR: \S+ \| "
        r"logit_scale: \d+\.\d{3} \| Global Batch Size: 8",
        log.read_text(),
    )
    assert "no_picture" in log.read_text()


def test_a_run_that_was_killed_ends_with_the_same_bytes(place: Path) -> None:
    run = place / "killed"
    process = subprocess.Popen(command(place, "killed"), cwd=ROOT, start_new_session=True)
    while not list(run.glob("checkpoints/epoch_*_8.pt")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run / "model").exists()
    start(place, "killed")
    attempts = json.loads((run / "run.json").read_text())["attempts"]
    assert attempts[0]["from_step"] == 0
    assert attempts[-1]["from_step"] >= 8
    assert same_bytes(place, "killed", "whole", "model/model.safetensors")
    assert same_bytes(place, "killed", "whole", "metrics.jsonl")


def test_a_run_that_is_done_gives_the_model_again_without_a_step(place: Path) -> None:
    run = place / "whole"
    before = (run / "model" / "model.safetensors").read_bytes()
    (run / "model" / "model.safetensors").unlink()
    start(place, "whole")
    assert (run / "model" / "model.safetensors").read_bytes() == before
    assert json.loads((run / "run.json").read_text())["attempts"][-1]["from_step"] == STEPS


def test_two_processes_that_are_asked_to_end_leave_a_checkpoint_and_go_on_from_it(place: Path) -> None:
    run = place / "two"
    kd = {"name": "cos_interp", "teacher": "team"}
    changed = {"processes": 2, "augment": False, "max_steps": 30, "valid_step_interval": 0, "kd": kd}
    changed |= {"save_step_interval": 0, "save_epoch_interval": 100}
    process = subprocess.Popen(command(place, "two", **changed), cwd=ROOT)
    while not (run / "checkpoints" / "epoch_latest.pt").exists():
        assert process.poll() is None, "it ended before it could be asked to"
        time.sleep(0.005)
    process.terminate()
    assert process.wait(timeout=60) == os.EX_TEMPFAIL
    left = torch.load(run / "checkpoints" / "epoch_latest.pt", weights_only=True)["step"]
    assert 3 <= left < 30
    start(place, "two", **changed)
    record = json.loads((run / "run.json").read_text())
    assert [attempt["from_step"] for attempt in record["attempts"]] == [0, left]
    rows = [row for row in read_rows(run / "metrics.jsonl") if "loss" in row]
    assert [row["step"] for row in rows] == [1, 10, 20, 30]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["loss"] > rows[-1]["contrastive_loss"]


def test_what_a_run_lacks_is_told(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"processes|batch_size"):
        start(place, "odd", processes=3)
    with pytest.raises(ConfigError, match="positions for 64"):
        start(place, "long", context_length=65)
