"""Which processes are paused, resumed and stopped: those of this folder's run of this configuration, and no other."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.shared import layout
from scripts.shared.locks import LockFile
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.training import run_folder
from scripts.systems import System
from scripts.upkeep import dataset_status, run_control, run_status
from scripts.upkeep.dataset_status import StatusReader
from scripts.upkeep.run_control import Run, find_run, pause, resume, stop
from tests.snakemake_run import ROOT, everything
from tests.toy_system import Toy
from tests.unit.shared.conftest import release

CONFIG = {"toy": {"datasets": {"toys": {}}}}
# Takes the locks named, has a child, and ends as a shard job does: a while after SIGTERM.
HOLD = """
import signal, subprocess, sys, time
from pathlib import Path
from scripts.shared.locks import LockFile
locks = [LockFile(Path(name)) for name in sys.argv[1:]]
for lock in locks:
    lock.acquire(wait=False)
ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
child = subprocess.Popen(["sleep", "100"])
print("ready", flush=True)
while not ended:
    time.sleep(0.02)
child.kill()
child.wait()
"""
Hold = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def hold(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hold]:
    """Starts processes that hold locks; this test's folder is the toy's."""
    for module in (dataset_status, run_status):
        systems = {"toy": System(stages=lambda *_: (toy.stage(),), runs=lambda _: {"tiny": toy.root / "runs" / "tiny"})}
        monkeypatch.setattr(module, "SYSTEMS", systems)
    monkeypatch.chdir(toy.root)
    plan_dataset(toy.stage(), scratch=None)
    release()
    started = []

    def start(*locks: Path, folder: Path = toy.root) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLD, *map(str, locks)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        for member in [*psutil.Process(process.pid).children(recursive=True), process] if is_alive(process) else []:
            member.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def is_alive(process: "subprocess.Popen[str]") -> bool:
    return process.poll() is None


def run_lock(toy: Toy) -> Path:
    return layout.run_lock(toy.dataset_dir)


def shard_lock(toy: Toy, shard: str = "00000") -> Path:
    return layout.shard_lock(toy.dataset_dir, "words", shard)


def find() -> Run:
    return find_run(CONFIG, StatusReader())


def states(process: "subprocess.Popen[str]") -> set[str]:
    root = psutil.Process(process.pid)
    return {member.status() for member in [root, *root.children(recursive=True)]}


def settle(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_where_nothing_runs_all_three_say_so_and_leave_no_trace(toy: Toy, hold: Hold) -> None:
    before = everything(toy.root)
    said = [pause(find()), resume(find()), list(stop(find(), StatusReader()))]
    assert said == [["nothing runs in this folder for this configuration"]] * 3
    assert everything(toy.root) == before


def test_a_pause_stops_the_run_and_all_below_it_and_resume_lets_them_go_on(toy: Toy, hold: Hold) -> None:
    process = hold(run_lock(toy), shard_lock(toy))
    said = pause(find())
    settle(lambda: states(process) == {psutil.STATUS_STOPPED})
    assert said[0].startswith(f"paused 2 processes, from pid {process.pid} on; `make resume` lets them go on")
    assert len(said) == 1
    assert StatusReader().read(toy.stage()).paused
    assert resume(find()) == [f"2 processes go on, from pid {process.pid} on"]
    settle(lambda: psutil.STATUS_STOPPED not in states(process))


def test_stop_asks_every_job_and_waits_for_the_end_and_leaves_no_request(
    toy: Toy, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = hold(run_lock(toy), shard_lock(toy))
    told = stop(find(), StatusReader())
    assert next(told) == "asked to stop; the samples in hand are being ended"
    assert layout.stop_file(toy.dataset_dir).exists()
    assert list(told) == ["stopped: toy toys, words: 0 of 4 samples made, 4 left; the same command goes on"]
    settle(lambda: not is_alive(process))
    assert not layout.stop_file(toy.dataset_dir).exists()


def test_a_paused_run_is_resumed_to_be_stopped(toy: Toy, hold: Hold) -> None:
    process = hold(run_lock(toy), shard_lock(toy))
    pause(find())
    settle(lambda: states(process) == {psutil.STATUS_STOPPED})
    assert len(list(stop(find(), StatusReader()))) == 2
    settle(lambda: not is_alive(process))


def test_a_job_whose_snakemake_was_killed_is_stopped_too(toy: Toy, hold: Hold) -> None:
    orphan = hold(shard_lock(toy))
    assert [process.pid for process in find().processes] == [orphan.pid]
    list(stop(find(), StatusReader()))
    settle(lambda: not is_alive(orphan))


def test_the_run_of_another_folder_is_named_and_left_alone(toy: Toy, hold: Hold, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    process = hold(run_lock(toy), folder=tmp_path / "elsewhere")
    here = f"the run of toy toys: pid {process.pid}, which works in another folder"
    for said in (pause(find()), resume(find()), list(stop(find(), StatusReader()))):
        assert said[0] == "nothing runs in this folder for this configuration"
        assert here in said[1]
    assert is_alive(process)
    assert psutil.STATUS_STOPPED not in states(process)
    assert not layout.stop_file(toy.dataset_dir).exists()


def test_the_run_of_another_configuration_in_this_folder_is_left_alone(toy: Toy, hold: Hold) -> None:
    other = hold(layout.run_lock(toy.root / "results" / "toy" / "others"))
    mine = hold(run_lock(toy))
    list(stop(find(), StatusReader()))
    settle(lambda: not is_alive(mine))
    assert is_alive(other)


def test_a_number_that_another_process_has_now_is_not_taken_for_the_run(
    toy: Toy, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = hold()
    run_lock(toy).write_text(f'{{"host": "{socket.gethostname()}", "pid": {process.pid}}}')
    assert find() == Run()


def test_a_run_on_another_host_is_asked_by_its_file_and_named(
    toy: Toy, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = LockFile(run_lock(toy))
    lock.acquire(wait=False)
    run_lock(toy).write_text('{"host": "node7", "pid": 4711}')
    assert pause(find())[1] == "not reached from here, so it goes on: the run of toy toys: pid 4711 on node7"
    said = list(stop(find(), StatusReader()))
    assert said[0] == "asked to stop as well: the run of toy toys: pid 4711 on node7"
    assert said[1].startswith("toy toys, words: what works on other hosts ends after the samples in hand; 0 of 4")
    assert layout.stop_file(toy.dataset_dir).exists()
    lock.release()
    layout.stop_file(toy.dataset_dir).unlink()
    assert find() == Run()


def test_a_slurm_job_of_another_host_is_not_reached_by_a_pause_and_the_way_is_named(toy: Toy, hold: Hold) -> None:
    process = hold(run_lock(toy))
    job = LockFile(shard_lock(toy))
    job.acquire(wait=False)
    shard_lock(toy).write_text('{"host": "node7", "pid": 4711}')
    said = pause(find())
    assert said[0].startswith("paused 2 processes")
    assert said[1] == "not reached from here, so it goes on: toy toys 00000: pid 4711 on node7"
    assert "scontrol suspend" in said[2]
    job.release()
    process.kill()


def test_another_users_run_is_named(toy: Toy, hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    process = hold(run_lock(toy))

    def refuse(_: psutil.Process) -> str:
        raise psutil.AccessDenied

    monkeypatch.setattr(run_control.psutil.Process, "cwd", refuse)
    found = find()
    assert found.foreign == [f"the run of toy toys: pid {process.pid}, which belongs to another user"]
    assert found.processes == []


def test_the_command_says_what_it_did(toy: Toy, hold: Hold, capsys: pytest.CaptureFixture[str]) -> None:
    (toy.root / "config.yaml").write_text("clip4mc: {}\n")
    dataset_status.SYSTEMS.clear()
    assert run_control.main(["stop", "--configfile", "config.yaml"]) == 0
    assert capsys.readouterr().out == "nothing runs in this folder for this configuration\n"
    assert run_control.main(["pause", "--configfile", "none.yaml"]) == 1
    assert capsys.readouterr().err == "none.yaml: No such file or directory\n"


def test_a_training_is_paused_and_stopped_and_asked_by_its_own_file(
    toy: Toy, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toy.root / "runs" / "tiny"
    process = hold(run_folder.lock_file(folder))
    found = find()
    assert (found.trainings, found.stages) == ({"toy run tiny": folder}, [])
    assert pause(found)[0].startswith("paused 2 processes")
    asked: list[bool] = []

    def wait(_run: Run, _reader: StatusReader) -> list[str]:
        asked.append(run_folder.stop_file(folder).exists())
        return []

    monkeypatch.setattr(run_control, "_wait", wait)
    said = []
    for line in stop(find(), StatusReader()):
        said.append(line)
        process.wait()
    assert asked == [True]
    assert said == [
        "asked to stop; the steps in hand are being ended",
        "stopped: toy run tiny; the same command goes on",
    ]
    assert not run_folder.stop_file(folder).exists()
