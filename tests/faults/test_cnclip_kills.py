"""Chinese CLIP killed again and again, in its training and in the jobs around it: nothing shows it."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.cnclip.training.loop import train_process
from tests.cnclip_place import CnclipPlace
from tests.faults import tally
from tests.faults.killed_trainings import begin, kill_once
from tests.snakemake_run import contents, finish, leftovers
from tests.unit.cnclip.training.small_run import make_place, start

KILLS = 20
# Below the dataset's folders of work and results: when one comes, the command is killed.
SEEN = (
    "work/**/checked/*",
    "results/**/.polymill-*",
    "results/**/*.npz",
    "results/**/*.mdb",
    "results/**/summary.json",
)
LONG_S = 120
TRAINED: dict[str, Any] = {"max_steps": 200, "save_step_interval": 3, "valid_step_interval": 10}


def begin_here(folder: Path, name: str) -> int:
    return begin(lambda: start(folder, name, **TRAINED), train_process)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_that_is_killed_twenty_times_ends_with_the_same_bytes(tmp_path: Path) -> None:
    make_place(tmp_path)
    assert os.waitstatus_to_exitcode(os.waitpid(begin_here(tmp_path, "whole"), 0)[1]) == 0
    moments = random.Random(3407)
    checkpoints = tmp_path / "killed" / "checkpoints"
    killed = [kill_once(begin_here(tmp_path, "killed"), checkpoints, moments) for _ in range(KILLS)]
    assert killed == [-signal.SIGKILL] * KILLS
    assert not (tmp_path / "killed" / "model").exists()
    assert os.waitstatus_to_exitcode(os.waitpid(begin_here(tmp_path, "killed"), 0)[1]) == 0
    attempts = json.loads((tmp_path / "killed" / "run.json").read_text())["attempts"]
    assert len({attempt["from_step"] for attempt in attempts} - {0}) >= 8  # most of them on the way, not at a start
    for name in ("model/model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert leftovers(tmp_path) == []
    tally.tell("a training killed by SIGKILL around its checkpoints", systems="cnclip", tried=KILLS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_command_killed_in_the_jobs_around_a_training_ends_as_if_undisturbed(tmp_path: Path) -> None:
    whole = CnclipPlace.create(tmp_path / "whole")
    whole.make("cnclip_data", timeout_s=600)
    here = whole.copy(tmp_path / "killed")
    shutil.rmtree(here.results)
    shutil.rmtree(here.folder / "work")
    for seen in SEEN:
        command = here.start("cnclip_data", "--nolock")
        until = time.monotonic() + LONG_S
        while not any(here.folder.glob(seen)) and time.monotonic() < until and command.poll() is None:
            time.sleep(0.001)
        assert command.poll() is None, finish(command).text
        os.killpg(command.pid, signal.SIGKILL)
        finish(command)
    here.make("cnclip_data", "--nolock", timeout_s=600)
    assert contents(here.dataset) == contents(whole.dataset)
    assert leftovers(here.folder) == []
    tally.tell(tally.COMMAND_KILLED, systems="cnclip", tried=len(SEEN))
