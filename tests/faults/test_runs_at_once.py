"""Two runs at once, orphans, signals: nobody waits for ever and nothing is corrupted.

Each test stops a run at a certain event (see `sitecustomize.py`), does something beside it, and lets it go on.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import places
from tests.faults.tally import tell
from tests.snakemake_run import ROOT, Place, Workplace, contents, finish, leftovers, make_clip, marks, remade

LONG_S = 300  # on a machine with much else to do
Expected = Callable[[Workplace], dict[str, str]]


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace.create(tmp_path_factory.mktemp("fresh") / "here", n_clips=3)


@pytest.fixture(scope="session")
def finished(fresh: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    here = fresh.copy(tmp_path_factory.mktemp("finished") / "here")
    here.make()
    return here


@dataclass
class Paused:
    """A run that waits at an event until `go`."""

    here: Place
    process: "subprocess.Popen[str]"

    @property
    def pid(self) -> int:
        """The process that met the event."""
        return int((self.here.folder / "events.struck").read_text().split()[1])

    def go(self) -> None:
        (self.here.folder / "events.go").touch()


@pytest.fixture
def pause() -> Iterator[Callable[..., Paused]]:
    started: list[Paused] = []

    def start(
        here: Place, *, on: str, at: int = 0, how: str = "before", arguments: tuple[str, ...] = (), below: str = ""
    ) -> Paused:
        fault = {
            "counter": str(here.folder / "events"),
            "folders": [below] if below else [str(here.folder / "results"), str(here.folder / "work")],
            "on": on,
            "at": at,
            "how": how,
            "who": "pause",
        }
        environment = {"PYTHONPATH": str(ROOT / "tests" / "faults"), "POLYMILL_FAULT": json.dumps(fault)}
        paused = Paused(here, here.start(*arguments, cores=1, environment=environment))
        started.append(paused)
        end = time.monotonic() + LONG_S
        while not (here.folder / "events.struck").exists():
            assert paused.process.poll() is None, paused.process.communicate()[0]
            assert time.monotonic() < end, "the event never came"
            time.sleep(0.05)
        return paused

    yield start
    for paused in started:
        paused.go()
        if paused.process.poll() is None:
            os.killpg(paused.process.pid, signal.SIGKILL)
            paused.process.communicate()


def wait_for_text(folder: Path, text: str) -> None:
    """Wait until a log in the folder says something."""
    end = time.monotonic() + LONG_S
    while not any(text in path.read_text() for path in folder.rglob("*.log")):
        assert time.monotonic() < end, f"{text!r} never came"
        time.sleep(0.05)


SECOND = [("all_clip4mc",), ("all_clip4mc", "--nolock"), ("results/clip4mc/train/sample_000002_v2/size.json",)]


def test_a_second_run_stops_and_names_the_first(
    fresh: Workplace, finished: Workplace, pause: Callable[..., Paused], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    first = pause(here, on=" rename ")
    before = contents(here.folder / "results"), contents(here.folder / "work")
    named = f"another run (pid {first.process.pid} on {socket.gethostname()}) works on results/clip4mc/train"
    for second in SECOND:
        ran = here.run(*second)
        assert ran.code != 0
        assert named in ran.text
        assert "Traceback (most recent" not in ran.text
        assert before == (contents(here.folder / "results"), contents(here.folder / "work"))
    looking = here.run("-n")
    assert "3 to make" in looking.text or "2 to make" in looking.text
    first.go()
    ended = finish(first.process)
    assert ended.code == 0, ended.text
    assert contents(here.dataset) == contents(finished.dataset)
    assert here.run().nothing_to_do


def test_a_new_run_waits_for_an_orphaned_job_and_makes_nothing_twice(
    fresh: Workplace, finished: Workplace, pause: Callable[..., Paused], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    orphan = pause(here, on=" rename ", how="after")
    orphan.process.kill()
    orphan.process.wait()
    assert "Directory cannot be locked" in here.run().text
    assert here.run("--unlock").code == 0
    second = here.start()
    wait_for_text(here.folder / "logs/clip4mc_frames/train", f"waits for pid {orphan.pid} on ")
    made = marks(here.dataset)
    orphan.go()
    ended = finish(second)
    assert ended.code == 0, ended.text
    assert {name: mark for name, mark in marks(here.dataset).items() if name in made} == made
    assert contents(here.dataset) == contents(finished.dataset)
    assert leftovers(here.folder) == []
    assert here.run().nothing_to_do


def test_an_orphan_whose_plan_is_replaced_ends_and_the_new_run_makes_the_rest(
    fresh: Workplace, pause: Callable[..., Paused], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    orphan = pause(here, on=" rename ", at=0, how="after")
    orphan.process.kill()
    orphan.process.wait()
    make_clip(here.clip(1), seed=77)
    here.run("--unlock")
    second = here.start()
    wait_for_text(here.folder / "logs/clip4mc_frames/train", f"waits for pid {orphan.pid} on ")
    orphan.go()
    ended = finish(second)
    assert ended.code == 0, ended.text
    undisturbed = fresh.copy(tmp_path / "undisturbed")
    make_clip(undisturbed.clip(1), seed=77)
    undisturbed.make()
    assert contents(here.dataset) == contents(undisturbed.dataset)
    assert leftovers(here.folder) == []
    assert here.run().nothing_to_do


@pytest.mark.parametrize("on", [" rename ", "worker fsync", "rule_frames.py write", "rule_index.py fsync"])
def test_ctrl_c_ends_the_run_and_the_next_goes_on(
    on: str, fresh: Workplace, finished: Workplace, pause: Callable[..., Paused], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    first = pause(here, on=on)
    os.killpg(first.process.pid, signal.SIGINT)
    if on == "worker fsync":  # workers leave Ctrl-C to their parent
        time.sleep(1)
    ended = finish(first.process, 60)
    assert ended.code != 0
    here.make()
    assert contents(here.dataset) == contents(finished.dataset)
    assert leftovers(here.folder) == []
    assert here.run().nothing_to_do


def test_sigterm_lets_the_running_job_end_and_starts_no_other(
    fresh: Workplace, finished: Workplace, pause: Callable[..., Paused], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    first = pause(here, on=" rename ", arguments=())
    first.process.terminate()
    time.sleep(1)
    first.go()
    ended = finish(first.process, 60)
    made = marks(here.dataset)
    assert made
    here.make()
    assert not remade({}, made) & remade(made, marks(here.dataset))
    assert contents(here.dataset) == contents(finished.dataset)
    assert ended.text
    assert here.run().nothing_to_do


def test_a_worker_that_is_killed_costs_one_sample(
    fresh: Workplace, finished: Workplace, pause: Callable[..., Paused], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    first = pause(here, on="worker fsync", at=4)
    os.kill(first.pid, signal.SIGKILL)
    ended = finish(first.process)
    assert ended.code == 0, ended.text
    assert len(here.failed()) == 1
    assert "worker_died,the worker process was ended by SIGKILL" in (here.dataset / "failures.csv").read_text()
    assert here.run().nothing_to_do
    here.make("--config", "retry_failed=[worker_died]")
    assert contents(here.dataset) == contents(finished.dataset)
    assert leftovers(here.folder) == []


def test_the_work_folder_deleted_in_mid_run_costs_nothing_that_was_made(
    fresh: Workplace, finished: Workplace, pause: Callable[..., Paused], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    first = pause(here, on=" rename ", how="after")
    shutil.rmtree(here.folder / "work")
    made = marks(here.dataset)
    first.go()
    finish(first.process)
    here.make()
    assert {name: mark for name, mark in marks(here.dataset).items() if name in made} == made
    assert contents(here.dataset) == contents(finished.dataset)
    assert here.run().nothing_to_do


def test_a_clip_replaced_under_way_is_made_from_the_new_one(
    fresh: Workplace, pause: Callable[..., Paused], tmp_path: Path
) -> None:
    here = fresh.copy(tmp_path / "here")
    first = pause(here, on="frames/receipt")
    make_clip(here.clip(0), seed=99)
    make_clip(here.clip(2), seed=98)
    first.go()
    assert finish(first.process).code == 0
    here.make()
    here.make()
    undisturbed = fresh.copy(tmp_path / "undisturbed")
    make_clip(undisturbed.clip(0), seed=99)
    make_clip(undisturbed.clip(2), seed=98)
    undisturbed.make()
    assert contents(here.dataset) == contents(undisturbed.dataset)
    assert here.run().nothing_to_do


# A row of the first sample of a shard, in the job of each system.
JOBS = {"speaker": "rule_embed.py write", "pose": "rule_generate.py write", "fgclip": "rule_facts.py write"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("system", JOBS)
def test_two_runs_and_an_orphan_at_once_make_nothing_twice_in_any_system(
    system: str, pause: Callable[..., Paused], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = places.fresh(system, tmp_path / "here", tmp_path_factory)
    orphan = pause(here, on=JOBS[system], at=1)
    named = f"another run (pid {orphan.process.pid} on {socket.gethostname()}) works on "
    second = here.run("--nolock")
    assert second.code != 0
    assert named in second.text
    assert "Traceback (most recent" not in second.text
    orphan.process.kill()
    orphan.process.wait()
    assert here.run("--unlock").code == 0
    third = here.start()
    wait_for_text(here.folder / "logs", f"waits for pid {orphan.pid} on ")
    fourth = here.run("--nolock")
    assert fourth.code != 0
    assert "another run (pid " in fourth.text
    before = written(here)
    orphan.go()
    ended = finish(third, 600)
    assert ended.code == 0, ended.text
    assert {name: mark for name, mark in written(here).items() if name in before} == before
    places.assert_as_if_undisturbed(here, tmp_path_factory)
    tell("two runs and an orphaned job at once", systems=system, tried=1)


def written(here: Place) -> dict[str, int]:
    """Inode of every file of a sample."""
    found = [path for path in here.dataset.rglob("*") if path.is_file() and ".state" not in path.parts]
    return {str(path): path.stat().st_ino for path in found}
