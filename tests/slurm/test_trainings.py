"""Trainings through `--profile slurm` on a real one-node SLURM that ends them: they go on, to the same bytes."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cnclip_place import CnclipPlace
from tests.faults.tally import tell
from tests.fgclip_place import FgclipPlace
from tests.slurm.cluster import IMPATIENT, Cluster, submitted
from tests.snakemake_run import contents, finish, leftovers

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(1200)]

# Tells what each process of a training sees, and slows the steps of the first job that trains.
SLOW_FIRST_JOB = """
import json, os, sys, time
if any(word.endswith(".training.worker") for word in sys.orig_argv) and "SLURM_JOB_ID" in os.environ:
    job = os.environ["SLURM_JOB_ID"]
    with open(f"seen.{job}.{os.environ['RANK']}", "w") as file:
        json.dump(dict(os.environ), file)
    with open("jobs", "a") as file:
        file.write(f"{job}\\n")
    with open("jobs") as file:
        first = file.readline().strip() == job
    from scripts.shared.training import schedule
    rate = schedule.warmup_cosine
    def slow_rate(step, **named):
        time.sleep(first * (SECONDS))
        return rate(step, **named)
    schedule.warmup_cosine = slow_rate
"""


def slow_first_job(folder: Path, seconds: str) -> dict[str, str]:
    """The environment in which a step of the first job that trains takes so long: a formula of `step`."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SLOW_FIRST_JOB.replace("SECONDS", seconds))
    return {"PYTHONPATH": str(folder)}


def small_training(system: str, folder: Path, **options: Any) -> CnclipPlace | FgclipPlace:
    """A workplace where all is made that the training `short` begins with."""
    here: CnclipPlace | FgclipPlace
    if system == "cnclip":
        here = CnclipPlace.create(folder, short=options)
    else:
        here = FgclipPlace.create(folder, n_train=8, n_test=4, short={"batch_size": 4, "num_frames": 4, **options})
    here.make(f"{system}_train", "--omit-from", f"{system}_train_run", timeout_s=500)
    return here


def model(place: CnclipPlace | FgclipPlace) -> dict[str, str]:
    return contents(place.run_folder("short") / "model", (".snakemake_timestamp",))


def attempts(place: CnclipPlace | FgclipPlace) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads((place.run_folder("short") / "run.json").read_bytes())["attempts"]
    return told


def log_of(place: CnclipPlace | FgclipPlace, rule: str) -> str:
    """What the last job of a rule said."""
    return (place.folder / "logs" / rule / "short.log").read_text(encoding="utf-8")


# SLURM sends SIGTERM at the limit, and SIGKILL after KillWait: 5 s here, 30 s where a site says nothing.
@pytest.mark.parametrize(
    ("system", "options", "seconds", "in_time"),
    [
        pytest.param("cnclip", {"max_steps": 150}, "1", True, id="cnclip, whose step ends before KillWait"),
        pytest.param(
            "fgclip", {"max_steps": 6, "save_steps": 2}, "300 * (step == 3)", False,
            id="fgclip, whose step outlasts KillWait",
        ),
    ],
)  # fmt: skip
def test_a_training_that_runs_out_of_time_is_tried_again_and_goes_on_to_the_same_bytes(
    system: str, options: dict[str, Any], seconds: str, in_time: bool, cluster: Cluster, tmp_path: Path
) -> None:
    local = small_training(system, tmp_path / "local", **options)
    remote = local.copy(tmp_path / "remote")
    rule = f"{system}_train_run"
    limit = ["--set-resources", f"{rule}:runtime=1 + 19 * (attempt - 1)"]  # minutes; none is shorter
    run = cluster.begin(
        remote, f"{system}_train", *IMPATIENT, *limit, environment=slow_first_job(tmp_path / "site", seconds)
    )
    local.make(f"{system}_train", timeout_s=500)
    ran = finish(run, 900)
    assert ran.code == 0, ran.text
    first, second = (job for job, name in submitted(ran.text) if name == rule)
    told = cluster.accounting(first, second)
    assert [told[job][0] for job in (first, second)] == ["TIMEOUT", "COMPLETED"]
    assert all("gres/gpu=1" in given for _, given in told.values())

    [before, after] = attempts(remote)
    n_steps = options["max_steps"]
    assert (
        f"goes on after {after['from_step']} of {n_steps} steps"
        in (remote.folder / "logs" / rule / "short.log").read_text()
    )
    said = (remote.folder / "logs" / "slurm" / f"rule_{rule}" / "short" / f"{first}.log").read_text()
    ended = re.search(rf"asked to end by SIGTERM after (\d+) of {n_steps} steps", said)
    if in_time:  # a checkpoint of the step in hand
        assert ended, said
        assert after["from_step"] == before["to_step"] == int(ended[1])
    else:  # the newest that was written before
        assert not ended, said
        assert after["from_step"] == 2
    assert model(remote) == model(local)
    assert leftovers(remote.folder) == []
    tell("SLURM: a training ended by its time limit", systems=system, tried=1)


@pytest.mark.parametrize(
    ("system", "often"),
    [("cnclip", {"save_step_interval": 1}), ("fgclip", {"save_steps": 1})],
    ids=["cnclip", "fgclip"],
)
def test_two_ranks_have_a_gpu_each_and_go_on_after_a_scancel_of_their_job(
    system: str, often: dict[str, int], cluster: Cluster, tmp_path: Path
) -> None:
    local = small_training(system, tmp_path / "local", processes=2, max_steps=20, **often)
    remote = local.copy(tmp_path / "remote")
    rule = f"{system}_train_run"
    run = cluster.begin(remote, f"{system}_train", *IMPATIENT, environment=slow_first_job(tmp_path / "site", "3"))
    first = cluster.wait_for_job(rule)
    end = time.monotonic() + 200
    while not list((remote.run_folder("short") / "checkpoints").glob("*.pt")):
        assert time.monotonic() < end
        time.sleep(0.2)
    cluster.tell("scancel", first)
    local.make(f"{system}_train", timeout_s=500)
    ran = finish(run, 600)
    assert ran.code == 0, ran.text
    jobs = [job for job, name in submitted(ran.text) if name == rule]
    told = cluster.accounting(*jobs)
    assert [told[job][0].split()[0] for job in jobs] == ["CANCELLED", "COMPLETED"]
    for job in jobs:
        assert "gres/gpu=2" in told[job][1]
        ranks = [json.loads((remote.folder / f"seen.{job}.{rank}").read_bytes()) for rank in (0, 1)]
        # Each takes the one at its place among those that both are told of.
        assert [(rank["LOCAL_RANK"], rank["WORLD_SIZE"]) for rank in ranks] == [("0", "2"), ("1", "2")]
        given = [rank["CUDA_VISIBLE_DEVICES"].split(",") for rank in ranks]
        assert given[0] == given[1]
        assert len(set(given[0])) == 2
    # A fake device answers nobody.
    assert "no GPU answers: 2 process(es) train on the CPU" in log_of(remote, rule)
    *_, after = attempts(remote)
    assert 0 < after["from_step"] < 20
    assert f"goes on after {after['from_step']} of 20 steps" in log_of(remote, rule)
    assert model(remote) == model(local)
    assert leftovers(remote.folder) == []
    tell("SLURM: a training of two processes ended by scancel", systems=system, tried=1)
