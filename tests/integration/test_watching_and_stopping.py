"""A real run is watched, paused, resumed and stopped: nothing is lost, and no sample fails for it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.shared import layout
from scripts.shared.locks import LockFile
from tests.snakemake_run import ROOT, Workplace, contents, finish, leftovers, marks, remade

N_SAMPLES, IN_A_SHARD = 12, 6
TIMEOUT_S = 2.0
# Every sample takes a while, so that there is a run to look at.
SLOW_WORKERS = """
import os, sys, time
if "worker_process" in " ".join(sys.orig_argv):
    from scripts.shared import sample_task
    make_files = sample_task.make_files
    sample_task.make_files = lambda *task: (time.sleep(float(os.environ["SAMPLE_S"])), make_files(*task))[1]
"""
Start = Callable[[Workplace, float], "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Samples of three clips in two shards, whose time limit is short."""
    folder = tmp_path_factory.mktemp("fresh") / "here"
    here = Workplace.create(folder, n_clips=3, shard_size=IN_A_SHARD, sample_timeout_s=TIMEOUT_S)
    here.pairs = [{**here.pair(number), "clip_path": f"clip{number % 3}.mp4"} for number in range(N_SAMPLES)]
    here.save()
    return here


@pytest.fixture(scope="module")
def finished(fresh: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    here = fresh.copy(tmp_path_factory.mktemp("finished") / "here")
    here.make()
    return here


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a run whose samples take so many seconds each, and returns when it has made one."""
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW_WORKERS)
    started = []

    def run(here: Workplace, sample_s: float) -> "subprocess.Popen[str]":
        environment = {"PYTHONPATH": str(tmp_path / "slow"), "SAMPLE_S": str(sample_s)}
        process = here.start(cores=1, environment=environment)
        started.append(process)
        wait_for(lambda: made(here) > 0)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def made(here: Workplace) -> int:
    return len(list(here.dataset.glob("sample_*")))


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def ask(here: Workplace, *command: str) -> str:
    """Run one of the commands behind `make status`, `make pause`, ...; returns what it prints."""
    ran = subprocess.run(
        [sys.executable, "-m", f"scripts.upkeep.{command[0]}", *command[1:], "--configfile", "config.yaml"],
        cwd=here.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


def log(here: Workplace) -> str:
    return "".join(path.read_text() for path in (here.folder / "logs" / "clip4mc_frames" / "train").glob("*.log"))


def goes_on_to_the_same_end(here: Workplace, finished: Workplace, before: dict[str, tuple[int, int]]) -> None:
    here.make()
    assert before.items() <= marks(here.dataset).items()
    assert len(remade(before, marks(here.dataset))) == N_SAMPLES - len({name.partition("/")[0] for name in before})
    assert contents(here.dataset) == contents(finished.dataset)
    assert leftovers(here.folder) == []


def test_a_run_that_is_watched_and_paused_longer_than_its_time_limit_ends_as_if_undisturbed(
    fresh: Workplace, finished: Workplace, start: Start, tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    run = start(here, 0.3)
    before, seen, after = made(here), ask(here, "status"), made(here)
    assert "clip4mc train, frames: running" in seen
    assert "1 of 2 shards running" in seen
    # A sample's row follows its files.
    assert any(
        f" {n} of {N_SAMPLES} made, 0 failed, {N_SAMPLES - n} left" in seen for n in range(before - 1, after + 1)
    )

    assert "paused " in ask(here, "run_control", "pause")
    family = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    assert len(family) >= 2
    wait_for(lambda: all(member.status() == psutil.STATUS_STOPPED for member in family), 5)
    then = made(here)
    time.sleep(1.2 * TIMEOUT_S)
    assert made(here) == then < N_SAMPLES
    assert "clip4mc train, frames: paused" in ask(here, "status")

    assert "go on, from pid" in ask(here, "run_control", "resume")
    ended = finish(run)
    assert ended.code == 0, ended.text
    assert here.failed() == []
    assert contents(here.dataset) == contents(finished.dataset)
    assert f"{N_SAMPLES} of {N_SAMPLES} made, 0 failed, 0 left" in ask(here, "status")


def test_a_run_that_is_stopped_ends_after_the_samples_in_hand_and_the_next_makes_the_rest(
    fresh: Workplace, finished: Workplace, start: Start, tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    run = start(here, 1.0)
    said = ask(here, "run_control", "stop")
    ended = finish(run, 20)
    n_made, before = made(here), marks(here.dataset)
    assert 1 <= n_made < IN_A_SHARD
    assert f"stopped: clip4mc train, frames: {n_made} of {N_SAMPLES} samples made, {N_SAMPLES - n_made} left" in said
    assert ended.code != 0
    assert "returned non-zero exit status 75" in ended.text
    assert f"stopped by make stop after {n_made} of {IN_A_SHARD} samples: the same command goes on" in log(here)
    assert list((here.work / "frames" / "receipt").glob("*")) == []
    assert not layout.stop_file(here.dataset).exists()
    goes_on_to_the_same_end(here, finished, before)
    assert here.failed() == []
    assert here.run().nothing_to_do


def test_a_scheduler_that_ends_a_job_costs_no_sample(
    fresh: Workplace, finished: Workplace, start: Start, tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    run = start(here, 0.25)
    (lock,) = layout.shard_lock(here.dataset, "frames", "").parent.glob("*.lock")
    holder = LockFile(lock).last_holder()
    assert holder is not None
    job = psutil.Process(holder.pid)
    for process in [job, *job.children(recursive=True)]:  # as SLURM does: it tells all of them
        process.terminate()
    ended = finish(run)
    assert ended.code != 0
    assert "returned non-zero exit status 75" in ended.text
    assert "stopped by SIGTERM after" in log(here)
    goes_on_to_the_same_end(here, finished, marks(here.dataset))
    assert here.failed() == []
