"""Whole trainings: what they leave, and that a kill changes none of it."""

import json
import logging
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.cnclip.model_files.folder import load_model, read_facts
from scripts.cnclip.model_files.official import load_official
from scripts.cnclip.training.loop import train_process
from scripts.shared.errors import ConfigError, JobError, StoppedError
from scripts.shared.training import start as start_training
from scripts.shared.training.checkpoints import CheckpointFolder
from scripts.shared.training.launch import run_processes
from scripts.shared.training.metrics_log import read_rows
from tests.forked import in_processes
from tests.unit.cnclip.training.small_run import make_place, start

STEPS = 12


def copies(_module: str, settings: Path, n: int, *, label: str) -> None:
    """Stands for `run_processes`, which has tests of its own: processes that have imported everything already."""

    def work() -> None:
        logging.getLogger().setLevel(logging.INFO)
        train_process(settings)

    ended = set(in_processes(n, work)) - {0}
    if ended == {StoppedError.exit_status}:
        raise StoppedError(label)
    if ended:
        raise JobError(f"{label}: {ended}")


@pytest.fixture(scope="module", autouse=True)
def _copies_train() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(start_training, "run_processes", copies)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and model, and the run `whole` that nothing interrupted."""
    folder = tmp_path_factory.mktemp("training")
    make_place(folder, spoilt=3)
    start(folder, "whole")
    return folder


def signalled_at(monkeypatch: pytest.MonkeyPatch, checkpoint: str, number: int) -> None:
    """Let a training get a signal when it has written a checkpoint."""
    save = CheckpointFolder.save

    def saved(self: CheckpointFolder, name: str, *given: Any, **named: Any) -> Path:
        path = save(self, name, *given, **named)
        if name == checkpoint:
            os.kill(os.getpid(), number)
        return path

    monkeypatch.setattr(CheckpointFolder, "save", saved)


def same_bytes(place: Path, one: str, other: str, name: str) -> bool:
    return (place / one / name).read_bytes() == (place / other / name).read_bytes()


def test_a_run_leaves_what_it_should(place: Path) -> None:
    run = place / "whole"
    rows = list(read_rows(run / "metrics.jsonl"))
    losses = [row["loss"] for row in rows if "loss" in row]
    assert [row["step"] for row in rows if "loss" in row] == [1, 10, 12]
    assert losses[-1] < losses[0]
    # After every fifth step, and after each epoch of 3 steps.
    assert [row["step"] for row in rows if "validation_loss" in row] == [3, 5, 6, 9, 10, 12]
    record = json.loads((run / "run.json").read_text())
    best = min((row for row in rows if "validation_loss" in row), key=lambda row: row["validation_loss"])
    assert (record["best_step"], record["steps"]) == (best["step"], STEPS)
    assert record["unreadable_pairs"] == 2  # one of each split
    assert record["peak_host_bytes"] > 1 << 20
    facts = read_facts(run / "model")
    assert facts.trained_on == ("before", "shapes")
    assert facts.weights_sha256 == record["model_sha256"]
    assert (run / "checkpoints" / "epoch4.pt").exists()
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
    assert (found["epoch"], found["step"], found["name"]) == (4, STEPS, "whole")


def test_the_log_has_upstreams_lines(place: Path) -> None:
    (log,) = (place / "whole").glob("out_*.log")
    assert re.search(
        r"Global Steps: 10/12 \| Train Epoch: 4 \[8/24 \(33%\)\] \| Loss: \d+\.\d{6} \| Image2Text Acc: \d+\.\d\d \| "
        r"Text2Image Acc: \d+\.\d\d \| Data Time: \d+\.\d{3}s \| Batch Time: \d+\.\d{3}s \| LR: \S+ \| "
        r"logit_scale: \d+\.\d{3} \| Global Batch Size: 8",
        log.read_text(),
    )
    for split in ("train", "valid"):
        assert log.read_text().count(f"{split} pair 3: no_picture") == 1


def test_a_run_that_was_killed_ends_with_the_same_bytes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = place / "killed"
    with monkeypatch.context() as patch:
        signalled_at(patch, "epoch_3_8.pt", signal.SIGKILL)
        with pytest.raises(JobError, match=str(-signal.SIGKILL)):
            start(place, "killed")
    assert not (run / "model").exists()
    start(place, "killed")
    attempts = json.loads((run / "run.json").read_text())["attempts"]
    assert [attempt["from_step"] for attempt in attempts] == [0, 8]
    assert same_bytes(place, "killed", "whole", "model/model.safetensors")
    assert same_bytes(place, "killed", "whole", "metrics.jsonl")


def test_a_run_that_is_done_gives_the_model_again_without_a_step(place: Path) -> None:
    run = place / "whole"
    before = (run / "model" / "model.safetensors").read_bytes()
    (run / "model" / "model.safetensors").unlink()
    start(place, "whole")
    assert (run / "model" / "model.safetensors").read_bytes() == before
    record = json.loads((run / "run.json").read_text())
    assert record["attempts"][-1]["from_step"] == STEPS
    assert record["unreadable_pairs"] == 2  # though this attempt read none


def test_two_processes_that_are_asked_to_end_leave_a_checkpoint_and_go_on_from_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = place / "two"
    kd = {"name": "cos_interp", "teacher": "team"}
    changed = {"processes": 2, "augment": False, "valid_step_interval": 0, "kd": kd}
    changed |= {"save_step_interval": 0, "save_epoch_interval": 100, "keep": "last"}
    with monkeypatch.context() as patch:
        signalled_at(patch, "epoch_latest.pt", signal.SIGTERM)  # the first of the two alone
        with pytest.raises(StoppedError):
            start(place, "two", **changed)
    assert torch.load(run / "checkpoints" / "epoch_latest.pt", weights_only=True)["step"] == 4
    start(place, "two", **changed)
    record = json.loads((run / "run.json").read_text())
    assert [attempt["from_step"] for attempt in record["attempts"]] == [0, 4]
    assert record["unreadable_pairs"] == 2
    rows = [row for row in read_rows(run / "metrics.jsonl") if "loss" in row]
    assert [row["step"] for row in rows] == [1, 10, STEPS]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert rows[-1]["loss"] > rows[-1]["contrastive_loss"]


def test_a_training_that_breaks_down_ends_before_its_next_checkpoint(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobError):
        start(place, "hot", lr=1e30, batch_size=2, valid_step_interval=0, save_step_interval=0)
    assert "the loss is nan after 10 steps: the training broke down" in capfd.readouterr().err
    assert not (place / "hot" / "checkpoints").exists()


def test_processes_that_do_not_share_a_batch_evenly_are_refused(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"processes|batch_size"):
        start(place, "odd", processes=3)


def test_a_context_that_the_model_has_no_positions_for_is_refused(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobError):
        start(place, "long", context_length=65)
    assert "has positions for 64 tokens at most" in capfd.readouterr().err


@pytest.mark.slow  # a process of its own takes seconds to import; `test_launch` shows the same of a light one
def test_what_a_process_lacks_is_told_in_its_words(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_training, "run_processes", run_processes)
    with pytest.raises(ConfigError, match="positions for 64"):
        start(place, "long", context_length=65)
