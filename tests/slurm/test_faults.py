"""What breaks on a cluster: jobs that fail, are ended or starve, daemons that go away, nodes without an environment.

After each the run, or the next one, ends with what a local run makes; and who reads the terminal knows which shard
failed, where it says why, and what to do.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.faults.tally import tell
from tests.slurm.cluster import IMPATIENT, Cluster, submitted
from tests.slurm.remote_place import (
    FIRST,
    SHARDS,
    WAITS,
    RemotePlace,
    kill_daemon,
    no_node_free,
    start_daemon,
    wait_until,
)
from tests.snakemake_run import BIN, ROOT, Ran, Workplace, clean_environment, finish

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(400)]

Remote = Callable[..., RemotePlace]

# Of the job of the second shard, until somebody mends it.
BROKEN = f"""
if ".rule_frames.py" in words and folder.exists() and not (folder / "mended").exists():
    from scripts.shared import shard_job

    make_missing = shard_job.ShardWork.make_missing

    def broken(self, *arguments, **named):
        if self.header.shard == "{SHARDS[1]}":
            if (folder / "once").exists():
                (folder / "mended").touch()
            END
        return make_missing(self, *arguments, **named)

    shard_job.ShardWork.make_missing = broken
"""
RAISES = BROKEN.replace("END", 'raise RuntimeError("the test says no")')
EXITS = BROKEN.replace("END", "os._exit(3)")
# A worker that needs more than a shard's job is given at first, and less than it is given then: 750 MB, 1,500 MB.
HUNGRY = """
if "worker_process" in words and folder.exists():
    made_before = sample_task.make_files

    def hungry(task, make):
        if task.key == WAITS:
            held = bytearray(900 << 20)
            held[:: 4096] = b"x" * len(held[:: 4096])
            time.sleep(8)
        return made_before(task, make)

    sample_task.make_files = hungry
""".replace("WAITS", repr(WAITS))


def told(ran: Ran) -> str:
    """What the run says at its very end of the jobs that failed."""
    found = re.search(r"^Failed jobs: \d+; .*?^Next: .*?\n", ran.text, re.DOTALL | re.MULTILINE)
    assert found, ran.text
    return found[0]


def names_all(text: str, shard: str) -> None:
    """Who reads it knows the shard, the log and the next step."""
    assert f"clip4mc_frames dataset=train shard={shard}\n" in text
    assert f"logs/clip4mc_frames/train/{shard}.log" in text
    assert re.search(rf"SLURM job \d+ \(\w+\), log \S+/logs/slurm/rule_clip4mc_frames/train_{shard}/\d+\.log", text)
    assert "the same command goes on: what is finished is kept" in text


def test_a_job_that_fails_is_tried_again_by_the_profile(
    remote: Remote, finished_clips: Workplace, cluster: Cluster
) -> None:
    here = remote(fault=RAISES)
    here.go()
    (here.folder / "once").touch()
    ran = here.run()
    assert ran.code == 0, ran.text
    jobs = [job for job, _ in submitted(ran.text)]
    assert len(jobs) == 3
    states = sorted(fields[0] for fields in cluster.accounting(*jobs, fields="State").values())
    assert states == ["COMPLETED", "COMPLETED", "FAILED"]
    here.check_finished(finished_clips)
    tell("SLURM: a shard job that fails, and is tried again", systems="clip4mc", tried=1)


@pytest.mark.parametrize(
    ("fault", "says"), [(RAISES, "RuntimeError: the test says no"), (EXITS, "the job ended before it wrote to it")]
)
def test_the_end_of_a_run_names_shard_log_and_next_step_of_a_job_that_failed(
    fault: str, says: str, remote: Remote, finished_clips: Workplace
) -> None:
    here = remote(fault=fault)
    here.go()
    ran = here.run("--retries", "0")
    assert ran.code != 0
    text = told(ran)
    names_all(text, SHARDS[1])
    assert SHARDS[0] not in text  # it did not fail
    assert f"log logs/clip4mc_frames/train/{SHARDS[1]}.log: {says}\n" in text
    (here.folder / "mended").touch()
    ran = here.run()
    assert ran.code == 0, ran.text
    assert len(submitted(ran.text)) == 1
    here.check_finished(finished_clips)
    tell("SLURM: a shard job that fails in every attempt, and is mended", systems="clip4mc", tried=1)


def test_a_job_that_runs_out_of_time_goes_on_where_it_stopped(
    remote: Remote, finished_clips: Workplace, cluster: Cluster
) -> None:
    here = remote()
    run = here.start("--set-resources", "clip4mc_frames:runtime=1")
    ran_out = here.wait_for_sample("began", WAITS)
    # Not before it is gone: within KillWait the sample in hand would still be finished.
    wait_until(lambda: ran_out not in cluster.tell("squeue", "-h", "-o", "%i").split(), 150)
    here.go()
    ran = finish(run, 240)
    assert ran.code == 0, ran.text
    jobs = [job for job, _ in submitted(ran.text)]
    assert len(jobs) == 3
    states = {job: fields[0] for job, fields in cluster.accounting(*jobs, fields="State").items()}
    assert [job for job, state in states.items() if state == "TIMEOUT"] == [ran_out]
    assert here.events("began").count(FIRST) == 1  # nor begun again
    assert here.events("began").count(WAITS) == 2
    here.check_finished(finished_clips)
    tell("SLURM: a shard job that runs out of time", systems="clip4mc", tried=1)


def test_the_end_of_a_run_says_that_a_job_ran_out_of_time(remote: Remote, finished_clips: Workplace) -> None:
    here = remote()
    ran = here.run("--retries", "0", "--set-resources", "clip4mc_frames:runtime=1")
    assert ran.code != 0
    names_all(told(ran), SHARDS[0])
    assert "DUE TO TIME LIMIT" in told(ran)
    assert "Next: give more minutes (`runtime` of the rule in profiles/slurm)" in told(ran)
    here.go()
    ran = here.run()
    assert ran.code == 0, ran.text
    here.check_finished(finished_clips)
    tell("SLURM: a shard job that runs out of time", systems="clip4mc", tried=1)


def test_a_job_that_needs_more_memory_gets_it_in_its_second_attempt(
    remote: Remote, finished_clips: Workplace, cluster: Cluster
) -> None:
    here = remote(fault=HUNGRY)
    here.go()
    ran = here.run()
    assert ran.code == 0, ran.text
    jobs = [job for job, _ in submitted(ran.text)]
    told_of = [tuple(fields) for fields in cluster.accounting(*jobs, fields="State,ReqMem").values()]
    assert sorted(told_of) == [("COMPLETED", "1500M"), ("COMPLETED", "750M"), ("FAILED", "750M")]
    here.check_finished(finished_clips)
    tell("SLURM: a shard job that needs more memory, and gets it when tried again", systems="clip4mc", tried=1)


def test_the_end_of_a_run_says_that_a_job_took_too_much_memory(remote: Remote) -> None:
    here = remote(fault=HUNGRY)
    here.go()
    ran = here.run("--retries", "0")
    assert ran.code != 0
    names_all(told(ran), SHARDS[0])
    assert "Exceeded job memory limit" in told(ran)
    assert "Next: give more memory (`mem_mb` of the rule in profiles/slurm)" in told(ran)


@pytest.mark.parametrize("which", ["one that waits for a node", "one that runs", "all"])
def test_cancelled_jobs_are_tried_again(
    which: str, remote: Remote, finished_clips: Workplace, cluster: Cluster
) -> None:
    here = remote()
    pending = which == "one that waits for a node"
    with no_node_free(cluster) if pending else nullcontext():
        run = here.start()
        if pending:
            wait_until(lambda: len(cluster.tell("squeue", "-h", "-t", "PENDING").splitlines()) == 2)
            cancelled = cluster.tell("squeue", "-h", "-o", "%i").split()[0]
        else:
            here.wait_for_sample("began", WAITS)
            cancelled = cluster.tell("squeue", "-h", "-t", "RUNNING", "-o", "%i").split()[0]
        cluster.tell("scancel", *(["--user", "root"] if which == "all" else [cancelled]))
    here.go()
    ran = finish(run, 240)
    assert ran.code == 0, ran.text
    states = cluster.accounting(*(job for job, _ in submitted(ran.text)), fields="State").values()
    assert 1 <= sum("CANCELLED" in fields[0] or "FAILED" in fields[0] for fields in states) <= 2
    here.check_finished(finished_clips)
    tell("SLURM: scancel from outside", systems="clip4mc", tried=1)


@pytest.mark.parametrize("daemon", ["slurmctld", "slurmd"])
def test_a_daemon_killed_and_started_again_in_mid_run_costs_nothing(
    daemon: str, remote: Remote, finished_clips: Workplace, cluster: Cluster
) -> None:
    here = remote()
    run = here.start()
    here.wait_for_sample("began", WAITS)
    kill_daemon(daemon, cluster)
    here.go()
    here.wait_for_sample("ended", "sample_000002_v2")
    start_daemon(daemon, cluster)
    ran = finish(run, 240)
    assert ran.code == 0, ran.text
    here.check_finished(finished_clips)
    assert here.events("began").count(FIRST) == 1
    tell(f"SLURM: {daemon} killed in mid-run, and started again", systems="clip4mc", tried=1)


def test_a_node_without_the_environment_is_named_with_its_log(
    remote: Remote, finished_clips: Workplace, cluster: Cluster, tmp_path: Path
) -> None:
    here = remote()
    here.go()
    # As a folder that the login node has and the nodes have not.
    environment = tmp_path / "environment"
    environment.symlink_to(BIN.parent)
    (here.folder / "slurm").symlink_to(ROOT / "profiles" / "slurm")
    command = [str(environment / "bin" / "python"), "-m", "snakemake", *here.place.command()[1:]]
    with no_node_free(cluster):
        run = subprocess.Popen(
            [*command, "--profile", "slurm", *IMPATIENT, "--retries", "0"],
            cwd=here.folder,
            env=clean_environment() | cluster.environment | here.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_until(lambda: len(cluster.tell("squeue", "-h", "-t", "PENDING").splitlines()) == 2)
        environment.unlink()
    ran = finish(run)
    assert ran.code != 0
    text = told(ran)
    for shard in SHARDS:
        names_all(text, shard)
    assert "the job ended before it wrote to it" in text
    assert re.search(rf"{environment}/bin/python: (not found|No such file)", text)
    ran = here.run()
    assert ran.code == 0, ran.text
    here.check_finished(finished_clips)
    tell("SLURM: a node without the environment", systems="clip4mc", tried=1)


def test_the_work_folder_deleted_in_mid_run_costs_nothing_that_was_made(
    remote: Remote, finished_clips: Workplace
) -> None:
    here = remote()
    run = here.start("--retries", "0")
    here.wait_for_sample("began", WAITS)
    shutil.rmtree(here.folder / "work")
    here.go()
    finish(run, 240)
    ran = here.run()
    assert ran.code == 0, ran.text
    here.check_finished(finished_clips)
    assert here.events("began").count(FIRST) == 1
    tell("SLURM: the work folder deleted in mid-run", systems="clip4mc", tried=1)
