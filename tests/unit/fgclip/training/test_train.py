"""Whole trainings: what they leave, and that a kill changes none of it."""

import json
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from scripts.fgclip.data.records import Records
from scripts.fgclip.model.model_folder import read_facts
from scripts.fgclip.training.feature_maker import make_features
from scripts.fgclip.training.loop import Training, train_process
from scripts.shared.errors import ConfigError, JobError, StoppedError
from scripts.shared.training import start as start_training
from scripts.shared.training.checkpoints import CheckpointFolder, read_checkpoint
from scripts.shared.training.metrics_log import read_rows
from scripts.shared.training.schedule import warmup_cosine
from tests.forked import in_processes
from tests.unit.fgclip.training.small_run import make_place, start, write_records

STEPS = 9  # three epochs of three steps
WHOLE = {"epochs": 3, "accumulation": 1, "save_steps": 2, "save_total_limit": 3, "checkpoints": [1]} | {
    "keep_best": True,
    "augment": "flip",
}


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
    """Data and model, and the run `whole` that nothing interrupted; the video of one item is gone."""
    folder = tmp_path_factory.mktemp("training")
    records = make_place(folder, n_train=16)
    records.videos[gone_of(records)].path.unlink()
    start(folder, "whole", **WHOLE)
    return folder


def gone_of(records: Records) -> str:
    return records.items[4].video


def signalled_at(monkeypatch: pytest.MonkeyPatch, checkpoint: str, number: int) -> None:
    """Let a training get a signal when it has written a checkpoint."""
    save = CheckpointFolder.save

    def saved(self: CheckpointFolder, name: str, *given: Any, **named: Any) -> Path:
        path = save(self, name, *given, **named)
        if name == checkpoint:
            os.kill(os.getpid(), number)
        return path

    monkeypatch.setattr(CheckpointFolder, "save", saved)


def same_files(place: Path, one: str, other: str, *names: str) -> bool:
    return all((place / one / name).read_bytes() == (place / other / name).read_bytes() for name in names)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors") | load_file(folder / "video_head.safetensors")


def test_a_run_leaves_what_it_should(place: Path) -> None:
    run = place / "whole"
    rows = [row for row in read_rows(run / "metrics.jsonl") if "loss" in row]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["learning_rate"] for row in rows] == [
        warmup_cosine(step, lr=2e-3, warmup=1, total=STEPS) for step in range(STEPS)
    ]
    left = {path.name for path in (run / "checkpoints").glob("*.pt")}
    assert left == {"step_6.pt", "step_8.pt", "step_9.pt"}  # save_total_limit: 3
    record = json.loads((run / "run.json").read_text())
    held_out = [row for row in read_rows(run / "metrics.jsonl") if "loss_held_out" in row]
    assert [row["step"] for row in held_out] == [3, 6, 9]
    assert record["best_step"] == min(held_out, key=lambda row: row["loss_held_out"])["step"]
    assert (record["steps"], record["items"] + record["held_out_items"]) == (STEPS, 16)
    facts = read_facts(run / "model")
    assert facts.weights_sha256 == record["model_sha256"]
    assert (facts.trained_on, facts.num_frames, facts.settings["lr"]) == (("shapes",), 4, 2e-3)
    assert len(json.loads((run / "train_log.json").read_text())["log_history"]) == 12
    assert "Training Epoch 3/3" in (run / "trainer_log.txt").read_text()


def test_the_model_is_that_of_the_best_epoch_and_kept_epochs_are_theirs(place: Path) -> None:
    run = place / "whole"
    best = read_checkpoint(run / "snapshots" / "best.pt").value["model"]
    first = read_checkpoint(run / "snapshots" / "epoch_1.pt").value["model"]
    assert torch.equal(weights(run / "model")["logit_scale"], best["clip.logit_scale"])
    assert torch.equal(weights(run / "epochs" / "1")["temporal.gate"], first["temporal.gate"])
    assert not torch.equal(first["temporal.gate"], weights(place / "init")["temporal.gate"])


def test_an_epoch_after_the_best_one_does_not_take_its_place(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([2.0, 1.0, 3.0])
    measure = Training._measure_aside
    monkeypatch.setattr(Training, "_measure_aside", lambda *given: measure(*given)._replace(loss=next(losses)))
    start(place, "overfitted", epochs=3, accumulation=1, keep_best=True, checkpoints=[2])
    record = json.loads((place / "overfitted" / "run.json").read_text())
    assert (record["best_epoch"], record["best_held_out_loss"], record["model_is_of"]) == (2, 1.0, "best")
    assert same_files(place / "overfitted", "model", "epochs/2", "model.safetensors", "video_head.safetensors")


def test_an_item_that_cannot_be_read_is_told_once_and_left_out(place: Path) -> None:
    record = json.loads((place / "whole" / "run.json").read_text())
    assert len(record["unreadable_items"]) == 1
    (log,) = (place / "whole").glob("out_*.log")
    assert log.read_text().count("left out of its batch") == 1


@pytest.mark.parametrize("at", [4, 6])  # within an epoch, and at the end of one
def test_a_run_that_was_killed_ends_with_the_same_bytes(place: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"killed_at_{at}"
    with monkeypatch.context() as patch:
        signalled_at(patch, f"step_{at}.pt", signal.SIGKILL)
        with pytest.raises(JobError, match=str(-signal.SIGKILL)):
            start(place, name, **WHOLE)
    assert not (place / name / "model").exists()
    start(place, name, **WHOLE)
    attempts = json.loads((place / name / "run.json").read_text())["attempts"]
    assert [attempt["from_step"] for attempt in attempts] == [0, at]
    names = (
        "model/model.safetensors",
        "epochs/1/model.safetensors",
        "model/video_head.safetensors",
        "metrics.jsonl",
        "trainer_log.txt",
        "train_log.json",
    )
    assert same_files(place, name, "whole", *names)


def test_a_run_that_is_done_gives_its_models_again_without_a_step(place: Path) -> None:
    before = (place / "whole" / "model" / "model.safetensors").read_bytes()
    (place / "whole" / "model" / "model.safetensors").unlink()
    start(place, "whole", **WHOLE)
    assert (place / "whole" / "model" / "model.safetensors").read_bytes() == before
    record = json.loads((place / "whole" / "run.json").read_text())
    assert record["attempts"][-1]["from_step"] == STEPS
    assert len(record["unreadable_items"]) == 1  # though this attempt read none


def test_two_processes_that_are_asked_to_end_leave_a_checkpoint_and_go_on_from_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = {"accumulation": 2, "max_steps": 4}
    start(place, "one", **shared)
    with monkeypatch.context() as patch:
        signalled_at(patch, "step_2.pt", signal.SIGTERM)  # the first of the two alone
        with pytest.raises(StoppedError):
            start(place, "two", processes=2, **shared)
    start(place, "two", processes=2, **shared)
    assert [row["from_step"] for row in json.loads((place / "two" / "attempts.json").read_text())] == [0, 3]
    one, two = ([row["loss"] for row in read_rows(place / name / "metrics.jsonl")] for name in ("one", "two"))
    assert two[0] == pytest.approx(one[0], rel=1e-6)  # each draws its own dropout, which tells from the next step on
    assert two == pytest.approx(one, rel=0.2)


def test_a_training_goes_on_from_a_checkpoint_that_is_named(place: Path) -> None:
    """Of a folder the one with the most steps: defect T1 of the guide's program took step 900 after step 1000."""
    named = place / "named"
    named.mkdir()
    for source, target in (("step_8.pt", "step_900.pt"), ("step_9.pt", "step_1000.pt")):
        (named / target).write_bytes((place / "whole" / "checkpoints" / source).read_bytes())
    start(place, "from_folder", **{**WHOLE, "epochs": 4, "keep_best": False, "resume_from_checkpoint": str(named)}
          | {"checkpoints": "last"})  # fmt: skip
    record = json.loads((place / "from_folder" / "run.json").read_text())
    assert record["attempts"][0]["from_step"] == 9


def test_weights_alone_are_no_checkpoint_to_go_on_from(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = place / "whole" / "snapshots" / "best.pt"
    with pytest.raises(JobError):
        start(place, "wrong", resume_from_checkpoint=str(path))
    assert "holds weights alone" in capfd.readouterr().err


def test_never_begins_anew_and_keeps_what_was_there(place: Path) -> None:
    changed = {"max_steps": 1, "accumulation": 1}
    start(place, "again", **changed)
    start(place, "again", resume_from_checkpoint="never", **changed)
    attempts = json.loads((place / "again" / "run.json").read_text())["attempts"]
    assert [attempt["from_step"] for attempt in attempts] == [0]
    assert len(list((place / "again").glob("checkpoints-*/step_1.pt"))) == 1


def test_a_training_that_breaks_down_names_step_and_items_and_keeps_no_checkpoint(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobError):
        start(place, "hot", lr=1e38, text_lr=1e38, new_lr=1e38, accumulation=1)
    told = capfd.readouterr().err
    assert "step 2: " in told
    assert "the items were " in told
    assert not (place / "hot" / "checkpoints").exists()


def test_a_training_none_of_whose_videos_can_be_read_ends(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = json.loads((place / "records.json").read_text())
    for video in content["videos"].values():
        video["path"] = "gone.mp4"
    (place / "gone.json").write_text(json.dumps(content))
    with pytest.raises(JobError):
        start(place, "gone", records="gone.json")
    assert "step 1: not one of its videos can be read" in capfd.readouterr().err


def test_with_frozen_features_only_what_is_new_is_trained(place: Path) -> None:
    given = {"root": place / "features", "num_frames": 4, "frame_chunk": 8, "num_workers": 0, "gpus": []}
    make_features(init=place / "init", records=place / "records.json", **given)  # type: ignore[arg-type]
    start(place, "frozen", finetune="none", batch_size=8, max_steps=2)
    before, after = weights(place / "init"), weights(place / "frozen" / "model")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "temporal.gate" in moved
    assert all(name.startswith(("temporal.", "pooling.")) or name == "logit_scale" for name in moved)
    assert len(json.loads((place / "frozen" / "run.json").read_text())["unreadable_items"]) == 1


def test_too_few_items_to_hold_some_out_are_refused(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from scripts.fgclip.data.records import read_records

    records = read_records(place / "records.json")
    write_records(place / "few.json", Records(records.videos, records.items[:2]))
    with pytest.raises(JobError):
        start(place, "few", records="few.json", keep_best=True)
    assert "too few to learn from" in capfd.readouterr().err


def test_options_are_checked_before_anything_starts(place: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size"):
        start(place, "odd", batch_size=5)
    assert not (place / "odd").exists()
