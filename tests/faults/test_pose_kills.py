"""Runs of the pose system that are killed, in each of its stages: the next one goes on, and nothing shows it.

`sitecustomize.py` beside this file kills at a certain rename, row or flush; the long tests kill at any moment.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.faults import tally
from tests.faults.tally import KILL_POINTS
from tests.pose_place import PosePlace
from tests.snakemake_run import ROOT, Ran, contents, finish, leftovers

N_CAPTIONS = 10_000
# Where each stage's files lie, how they end, and the function of its workers.
STAGES = {
    "text": ("text", ".npy", "scripts.pose.text.sample:make_sample"),
    "generate": ("poses", ".json", "scripts.pose.batches:make_poses"),
    "render": ("poses", ".png", "scripts.pose.figures.sample_picture:make_picture"),
}


def fault(here: PosePlace, name: str, *, at: int, how: str, who: str, below: str = "", on: str = "") -> dict[str, Any]:
    """See `sitecustomize.py`; what it counts goes to a file of this name, and only what happens below `below`."""
    folders = [here.state / below] if below else [here.folder / "results", here.folder / "work"]
    strike = {"at": at, "how": how, "who": who, "on": on}
    return {"counter": str(here.folder / name), "folders": list(map(str, folders)), **strike}


def run_with(here: PosePlace, faults: list[dict[str, Any]], *arguments: str) -> Ran:
    environment = {"PYTHONPATH": str(ROOT / "tests" / "faults"), "POLYMILL_FAULT": json.dumps(faults)}
    return here.run(*arguments, cores=1, environment=environment)


def go_on(here: PosePlace, *arguments: str, cores: int = 1, timeout_s: float = 120) -> None:
    ran = here.run(*arguments, cores=cores, timeout_s=timeout_s)
    if "LockException" in ran.text:
        assert here.run("--unlock").code == 0
        ran = here.run(*arguments, cores=cores, timeout_s=timeout_s)
    assert ran.code == 0, ran.text


def assert_as_if_undisturbed(here: PosePlace, undisturbed: PosePlace) -> None:
    assert contents(here.dataset) == contents(undisturbed.dataset)
    assert leftovers(here.folder) == []
    ran = here.run()
    assert ran.nothing_to_do, ran.text


def test_jobs_and_workers_of_every_stage_are_killed_and_the_plug_is_pulled(
    fresh_poses: PosePlace, finished_poses: PosePlace, tmp_path: Path
) -> None:
    here = fresh_poses.copy(tmp_path / "place")
    faults = [
        fault(here, "text", below="text", on=" write ", at=0, how="torn", who="self"),  # of a row
        fault(here, "convert", on="rule_convert.py replace", at=0, how="before", who="self"),
        fault(here, "pose", below="generate", on="rule_generate.py replace", at=1, how="after", who="self"),
        fault(here, "batch", below="generate", on="worker fsync", at=7, how="before", who="self"),
        fault(here, "picture", below="render", on=" write ", at=4, how="torn", who="group"),
    ]
    ran = run_with(here, faults, "--retries", "3", "--nolock")
    assert ran.code == -signal.SIGKILL
    struck = {name: (here.folder / f"{name}.struck").read_text() for name in ("text", "convert", "pose", "picture")}
    assert not any(who.startswith("worker") for who in struck.values())
    # The others of its batch, and it too, are made one by one.
    assert (here.folder / "batch.struck").read_text().startswith("worker")
    assert "a group of 11 samples failed (worker_died" in ran.text
    go_on(here)
    assert_as_if_undisturbed(here, finished_poses)
    tally.tell(KILL_POINTS, systems="pose", tried=len(faults))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("how", "who"), [("before", "group"), ("after", "self"), ("torn", "group")])
def test_kill_points_all_over_a_run_lead_to_the_same_end(
    how: str, who: str, fresh_poses: PosePlace, finished_poses: PosePlace, tmp_path: Path
) -> None:
    counted = fresh_poses.copy(tmp_path / "counted")
    assert run_with(counted, [fault(counted, "events", at=-1, how="before", who="self")]).code == 0
    events = (counted.folder / "events").read_text().splitlines()
    # A worker that dies alone costs its caption, or nothing: tested elsewhere.
    points = [n for n, event in enumerate(events) if (how != "torn" or " write " in event) and " worker " not in event]
    assert len(points) > 15
    for at in points[:: len(points) // 8]:
        here = fresh_poses.copy(tmp_path / f"at{at}")
        ran = run_with(here, [fault(here, "events", at=at, how=how, who=who)])
        struck = (here.folder / "events.struck").exists()  # not after what failed: removing what was not there
        assert (ran.code != 0) == struck, f"at {events[at]}: {ran.text}"
        go_on(here)
        assert contents(here.dataset) == contents(finished_poses.dataset), f"at {events[at]}"
        assert leftovers(here.folder) == [], f"at {events[at]}"
        assert here.run().nothing_to_do, f"at {events[at]}"
    tally.tell(KILL_POINTS, systems="pose", tried=len(points[:: len(points) // 8]))


# Ten thousand


def ten_thousand() -> Iterator[str]:
    """As long a list as the field's, with what such lists hold: captions that repeat, collide or can have no pose."""
    for number in range(N_CAPTIONS):
        if number % 1000:
            yield f"A person walks {number} steps, then stops"
        else:
            yield f"一个人走{number}步"
            yield "A person walks 1 steps, then stops"
            yield f"A person walks {number + 1} steps? then stops"


def n_made(here: PosePlace, stage: str) -> int:
    folder, suffix, _ = STAGES[stage]
    try:
        return sum(entry.name.endswith(suffix) for entry in os.scandir(here.dataset / folder))
    except FileNotFoundError:
        return 0


def wait_until_made(here: PosePlace, run: "subprocess.Popen[str]", stage: str, n_more: int) -> None:
    """Wait until a run has made so many more files of a stage."""
    before = n_made(here, stage)
    while n_made(here, stage) < before + n_more:
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.05)


def pull_the_plug(run: "subprocess.Popen[str]") -> None:
    os.killpg(run.pid, signal.SIGKILL)
    finish(run)


def kill_a_worker(run: "subprocess.Popen[str]", stage: str) -> None:
    started = psutil.Process(run.pid).children(recursive=True)
    random.choice([process for process in started if STAGES[stage][2] in process.cmdline()]).kill()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_ten_thousand_captions_that_are_killed_on_the_way_end_as_if_undisturbed(tmp_path: Path) -> None:
    here = PosePlace.create(tmp_path / "place", ten_thousand(), shard_size=2500, workers=2)
    undisturbed = here.copy(tmp_path / "undisturbed")
    go_on(undisturbed, cores=2, timeout_s=3600)
    moments = random.Random(3407)
    for stage in STAGES:
        run = here.start("--nolock")
        wait_until_made(here, run, stage, moments.randint(1, 2000))
        if stage == "generate":  # costs nothing: its batch is made again
            kill_a_worker(run, stage)
            wait_until_made(here, run, stage, moments.randint(1, 2000))
        pull_the_plug(run)
    run = here.start("--nolock")
    wait_until_made(here, run, "render", moments.randint(1, 2000))
    kill_a_worker(run, "render")
    ran = finish(run, 3600)
    assert ran.code == 0, ran.text
    assert (here.dataset / "failures.csv").read_text().count("worker_died") == 1
    go_on(here, "--config", "retry_failed=[worker_died]", cores=2, timeout_s=600)
    assert n_made(here, "render") == N_CAPTIONS
    assert_as_if_undisturbed(here, undisturbed)
    tally.tell(
        f"a run of {N_CAPTIONS:,} captions killed at random moments of each stage",
        systems="pose",
        tried=len(STAGES) + 2,
    )
