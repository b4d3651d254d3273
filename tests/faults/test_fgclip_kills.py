"""The anomaly detector killed again and again, in its training and in the jobs around it: nothing shows it."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip.training.loop import train_process
from tests.faults import tally
from tests.faults.killed_trainings import LONG_S, begin, kill_once
from tests.faults.tally import COMMAND_KILLED
from tests.fgclip_place import FgclipPlace
from tests.snakemake_run import contents, finish, leftovers
from tests.unit.fgclip.training.small_run import make_place, start

KILLS = 20
TRAINED: dict[str, Any] = {
    "epochs": 50,  # of three steps
    "accumulation": 1,
    "save_steps": 3,  # within epochs and at their ends
    "num_workers": 1,
    "checkpoints": [5, 20],
    "keep_best": True,
    "augment": "flip",
}
RUN_FILES = (
    "model/model.safetensors",
    "model/video_head.safetensors",
    "model/polymill.json",
    "epochs/5/model.safetensors",
    "epochs/20/model.safetensors",
    "metrics.jsonl",
    "trainer_log.txt",
    "train_log.json",
)


def begin_here(folder: Path, name: str) -> int:
    return begin(lambda: start(folder, name, **TRAINED), train_process)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_that_is_killed_twenty_times_ends_with_the_same_bytes(tmp_path: Path) -> None:
    make_place(tmp_path, n_train=16)
    assert os.waitstatus_to_exitcode(os.waitpid(begin_here(tmp_path, "whole"), 0)[1]) == 0
    moments = random.Random(3407)
    checkpoints = tmp_path / "killed" / "checkpoints"
    killed = [kill_once(begin_here(tmp_path, "killed"), checkpoints, moments) for _ in range(KILLS)]
    assert killed == [-signal.SIGKILL] * KILLS
    assert not (tmp_path / "killed" / "model").exists()
    assert os.waitstatus_to_exitcode(os.waitpid(begin_here(tmp_path, "killed"), 0)[1]) == 0
    attempts = json.loads((tmp_path / "killed" / "run.json").read_text())["attempts"]
    assert len({attempt["from_step"] for attempt in attempts} - {0}) >= 8  # most of them on the way, not at a start
    for name in RUN_FILES:
        left, right = (tmp_path / run / name for run in ("killed", "whole"))
        assert left.read_bytes().replace(b"killed", b"whole") == right.read_bytes(), name
    assert leftovers(tmp_path) == []
    tally.tell("a training killed by SIGKILL around its checkpoints", systems="fgclip", tried=KILLS)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_command_that_is_killed_in_the_jobs_around_a_training_ends_as_if_undisturbed(tmp_path: Path) -> None:
    run = {"max_steps": 2, "batch_size": 4, "num_frames": 4}
    whole = FgclipPlace.create(tmp_path / "whole", n_train=8, n_test=4, short=run)
    whole.make(timeout_s=600)
    here = whole.copy(tmp_path / "killed")
    shutil.rmtree(here.dataset)
    shutil.rmtree(here.folder / "work")
    moments = ("videos/*.json", "*records.json*", "scores/*/*.npz", "heatmaps/*", "heatmaps/*/*.png")
    for made in moments:
        command = here.start("--nolock")
        until = time.monotonic() + 10 * LONG_S
        while not any(here.dataset.glob(made)) and time.monotonic() < until and command.poll() is None:
            time.sleep(0.01)
        assert command.poll() is None, finish(command).text
        os.killpg(command.pid, signal.SIGKILL)
        finish(command)
    here.make("--nolock", timeout_s=600)
    # What is known of the state of things says when they were done.
    assert contents(here.dataset, (".state",)) == contents(whole.dataset, (".state",))
    assert leftovers(here.folder) == []
    assert here.run().nothing_to_do
    tally.tell(COMMAND_KILLED, systems="fgclip", tried=len(moments))
