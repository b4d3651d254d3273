"""A training that was killed, at any moment and with damage, ends as one that was not: to the bit."""

import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.shared.errors import StoppedError
from scripts.shared.stop_request import StopRequest
from scripts.shared.training import run_folder
from scripts.shared.training.metrics_log import read_rows
from scripts.shared.training.processes import Processes
from scripts.shared.training.run_record import read_attempts
from tests.forked import in_a_process
from tests.toy_training import STEPS, end_state, train


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The end of a training that nobody disturbed.

    In this process, so that those that are killed need not import what PyTorch imports at the first step.
    """
    run_dir = tmp_path_factory.mktemp("undisturbed")
    train(run_dir, Processes.single())
    return end_state(run_dir)


def killed_at(run_dir: Path, what: str, at_step: int) -> None:
    def moment(now: str, step: int) -> None:
        if (now, step) == (what, at_step):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_a_process(lambda: train(run_dir, Processes.single(), moment=moment)) == -signal.SIGKILL


def killed_while_writing(run_dir: Path, at_step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Die in the middle of a checkpoint."""
    save = torch.save

    def half(value: Any, file: Any) -> None:
        save(value, file)
        if value["polymill"]["step"] == at_step:
            file.truncate(file.tell() // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        assert in_a_process(lambda: train(run_dir, Processes.single())) == -signal.SIGKILL


def gone_on(run_dir: Path) -> dict[str, Any]:
    assert in_a_process(lambda: train(run_dir, Processes.single())) == 0
    return end_state(run_dir)


@pytest.mark.parametrize("what", ["stepped", "measured", "saved"])
@pytest.mark.parametrize("at_step", [1, 4, 5, STEPS])
def test_a_training_that_is_killed_ends_as_one_that_is_not(
    what: str, at_step: int, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    if what == "saved" and at_step % 2:
        at_step += 1  # checkpoints are written at every second step
    killed_at(tmp_path, what, at_step)
    assert gone_on(tmp_path) == undisturbed


def test_a_training_that_is_killed_many_times_ends_as_one_that_is_not(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    for what, at_step in (("measured", 3), ("saved", 4), ("stepped", 5), ("measured", 8), ("stepped", 12)):
        killed_at(tmp_path, what, at_step)
    assert gone_on(tmp_path) == undisturbed
    assert [seen["from_step"] for seen in read_attempts(run_folder.attempts_file(tmp_path))] == [0, 2, 4, 4, 6, 10]


@pytest.mark.parametrize("at_step", [2, 6])
def test_a_kill_in_the_middle_of_a_checkpoint_costs_the_steps_since_the_one_before(
    at_step: int, tmp_path: Path, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_while_writing(tmp_path, at_step, monkeypatch)
    assert list(run_folder.checkpoints_dir(tmp_path).glob(".polymill-*"))
    assert gone_on(tmp_path) == undisturbed
    assert not list(run_folder.checkpoints_dir(tmp_path).glob(".polymill-*"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_newest_checkpoint_is_passed_over(
    damage: str, tmp_path: Path, undisturbed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    killed_at(tmp_path, "measured", 7)
    spoil(run_folder.checkpoints_dir(tmp_path) / "step_6.pt", damage)
    with caplog.at_level(logging.WARNING):
        train(tmp_path, Processes.single())
    assert end_state(tmp_path) == undisturbed
    assert "step_6.pt: damaged" in caplog.text or "step_6.pt: not loaded" in caplog.text
    assert read_attempts(run_folder.attempts_file(tmp_path))[-1]["from_step"] == 4


def spoil(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        # In the numbers of a tensor, where only a checksum tells.
        tensor = torch.load(path, weights_only=True)["model"]["0.weight"].numpy().tobytes()
        content[content.index(tensor) + 1] ^= 1
    path.write_bytes({"cut": content[: len(content) // 2], "flipped": content, "empty": b""}[damage])


def test_a_torn_row_of_metrics_is_written_anew(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    killed_at(tmp_path, "measured", 5)
    with run_folder.metrics_file(tmp_path).open("a") as file:
        file.write('{"step": 6, "lo')
    assert gone_on(tmp_path) == undisturbed


def test_a_training_that_has_ended_ends_again_at_once(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    train(tmp_path, Processes.single())
    train(tmp_path, Processes.single(), moment=lambda what, step: pytest.fail(f"{what} at {step}"))
    assert end_state(tmp_path) == undisturbed


def test_sigterm_ends_a_training_with_a_checkpoint_and_status_75(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    def asked_to_end() -> None:
        with StopRequest(run_folder.stop_file(tmp_path)) as stop:
            train(tmp_path, Processes.single(), stop=stop, moment=sent_at_step_3)

    def sent_at_step_3(what: str, step: int) -> None:
        if (what, step) == ("stepped", 3):
            os.kill(os.getpid(), signal.SIGTERM)

    assert in_a_process(asked_to_end) == os.EX_TEMPFAIL
    assert (run_folder.checkpoints_dir(tmp_path) / "step_3.pt").exists()
    assert gone_on(tmp_path) == undisturbed


def test_the_stop_file_ends_a_training_with_a_checkpoint(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    run_folder.stop_file(tmp_path).touch()
    stop = StopRequest(run_folder.stop_file(tmp_path))
    with pytest.raises(StoppedError, match="after step 1"):
        train(tmp_path, Processes.single(), stop=stop)
    with run_folder.run_held(tmp_path, label="toy"):
        assert not run_folder.stop_file(tmp_path).exists()
        train(tmp_path, Processes.single(), stop=StopRequest(run_folder.stop_file(tmp_path)))
    assert end_state(tmp_path) == undisturbed


def test_another_identity_begins_anew_and_nothing_is_lost(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    train(tmp_path, Processes.single(), identity="other" * 4, dropout=0.5)
    kept = sorted(path.read_bytes() for path in run_folder.checkpoints_dir(tmp_path).iterdir())
    train(tmp_path, Processes.single())
    assert end_state(tmp_path) == undisturbed
    assert sorted(path.read_bytes() for path in (tmp_path / "checkpoints-otheroth").iterdir()) == kept
    assert [row["step"] for row in read_rows(run_folder.metrics_file(tmp_path))] == list(range(1, STEPS + 1))
    assert len(read_attempts(run_folder.attempts_file(tmp_path))) == 1
