"""Runs on a cluster that meet: a killed one and the next, a second one, another user's; and who pauses or ends one.

After each all is as a local run makes it, and no sample was made twice.
"""

import os
import pwd
import shutil
import signal
import site
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.faults.tally import tell
from tests.slurm.cluster import IMPATIENT, Cluster, missing_tool, submitted
from tests.slurm.remote_place import FIRST, SHARDS, WAITS, RemotePlace, wait_until
from tests.snakemake_run import ROOT, Workplace, clean_environment, contents, finish, leftovers

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(400)]

Remote = Callable[..., RemotePlace]


def running(cluster: Cluster) -> list[str]:
    """Numbers of the jobs that run."""
    return cluster.tell("squeue", "-h", "-t", "RUNNING", "-o", "%i").split()


def test_after_a_killed_snakemake_the_second_job_of_a_shard_waits_for_the_first(
    remote: Remote, finished_clips: Workplace, cluster: Cluster
) -> None:
    here = remote()
    first = here.start()
    here.wait_for_sample("began", WAITS)
    os.killpg(first.pid, signal.SIGKILL)
    killed = finish(first)
    wait_until(lambda: len(running(cluster)) == 1)  # the other shard is made
    job = running(cluster)[0]
    locked = here.run()
    assert locked.code != 0
    assert "--unlock" in locked.text  # the next step
    assert here.run("--unlock").code == 0
    second = here.start()
    log = here.log(SHARDS[0])
    wait_until(lambda: log.exists() and "waits for pid " in log.read_text())
    waiting = log.read_text()
    assert f" on {socket.gethostname()}, which works on this shard" in waiting
    assert job in running(cluster)
    assert len(running(cluster)) >= 2
    here.go()
    ran = finish(second, 240)
    assert ran.code == 0, ran.text
    # Each sample once, by whichever job; the second job of the shard found them there.
    assert sorted(here.events("began")) == sorted(set(here.events("began")))
    assert len(submitted(killed.text)) == 2
    here.check_finished(finished_clips)
    tell("SLURM: snakemake killed with jobs running, and started again", systems="clip4mc", tried=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_snakemake_that_is_asked_to_end_leaves_what_the_next_goes_on_with(
    number: signal.Signals, remote: Remote, finished_clips: Workplace, cluster: Cluster
) -> None:
    here = remote()
    # What a shell starts in the background is deaf to SIGINT, and hands that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        first = here.start()
    finally:
        signal.signal(signal.SIGINT, before)
    here.wait_for_sample("began", WAITS)
    first.send_signal(number)
    if number == signal.SIGTERM:  # waits for the jobs that run, and starts no other
        time.sleep(3)
        assert first.poll() is None
        here.go()
    ended = finish(first, 240)
    assert ended.code != 0
    assert "the same command goes on: what is finished is kept" in ended.text
    wait_until(lambda: not running(cluster))
    here.go()
    ran = here.run()
    assert ran.code == 0, ran.text
    assert here.events("began").count(FIRST) == 1
    here.check_finished(finished_clips)
    tell(f"SLURM: {number.name} to snakemake with jobs running", systems="clip4mc", tried=1)


def test_a_second_run_on_the_same_dataset_is_refused_and_told_who_works_on_it(
    remote: Remote, finished_clips: Workplace
) -> None:
    here = remote()
    first = here.start()
    here.wait_for_sample("began", WAITS)
    for second in (["--nolock"], ["--nolock", "--rerun-triggers", "mtime"]):
        ran = here.run(*second)
        assert ran.code != 0
        assert f"another run (pid {first.pid} on {socket.gethostname()}) works on results/clip4mc/train" in ran.text
        assert submitted(ran.text) == []
    here.go()
    ran = finish(first, 240)
    assert ran.code == 0, ran.text
    here.check_finished(finished_clips)
    tell("SLURM: a second run on the same dataset", systems="clip4mc", tried=2)


def test_two_runs_on_two_datasets_of_one_configuration_work_side_by_side(
    remote: Remote, finished_clips: Workplace, cluster: Cluster
) -> None:
    here = remote()
    config = yaml.safe_load((here.folder / "config.yaml").read_text())
    datasets = config["clip4mc"]["datasets"]
    datasets["other"] = datasets["train"]
    (here.folder / "config.yaml").write_text(yaml.safe_dump(config))
    runs = [here.start(f"results/clip4mc/{name}/summary.json") for name in datasets]
    wait_until(lambda: here.events("began").count(WAITS) == len(runs))
    assert len(running(cluster)) >= len(runs)
    here.go()
    for run in runs:
        ran = finish(run, 240)
        assert ran.code == 0, ran.text
        assert len(submitted(ran.text)) == len(SHARDS)
    ran = here.run()  # the little that no run was asked for
    assert ran.code == 0, ran.text
    assert submitted(ran.text) == []
    for name in datasets:
        assert contents(here.place.dataset.with_name(name)) == contents(finished_clips.dataset)
    assert leftovers(here.folder) == []
    assert here.run("-n").nothing_to_do
    tell("SLURM: two runs on two datasets of one configuration", systems="clip4mc", tried=1)


def test_make_pause_and_make_resume_reach_the_jobs_on_this_machine(remote: Remote, finished_clips: Workplace) -> None:
    here = remote()
    run = here.start()
    here.wait_for_sample("began", WAITS)
    assert "paused " in control(here, "pause")
    here.go()
    time.sleep(2)
    assert WAITS not in here.events("ended")
    assert "processes go on" in control(here, "resume")
    ran = finish(run, 240)
    assert ran.code == 0, ran.text
    here.check_finished(finished_clips)
    tell("SLURM: make pause and make resume", systems="clip4mc", tried=1)


def control(here: RemotePlace, what: str) -> str:
    """What `make pause`, `make resume` or `make stop` prints in its folder."""
    command = [sys.executable, "-m", "scripts.upkeep.run_control", what, "--configfile", "config.yaml"]
    environment = here.cluster.environment | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=here.folder, env=environment, text=True, capture_output=True, check=True, timeout=120
    )
    return ran.stdout


def python_of_all() -> tuple[Path, dict[str, str]]:
    """A Python that any user of this machine may start, and what lets it find the packages of these tests.

    That of the tests may lie in the home of the user who made it: another of the same version will do.
    """
    own = Path(sys.executable).resolve()
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in own.parents):
        return Path(sys.executable), {}
    other = Path("/usr/bin", f"python3.{sys.version_info.minor}")
    if not other.exists():
        pytest.skip(f"{own} is not for other users, and there is no {other}")
    return other, {"PYTHONPATH": os.pathsep.join([str(ROOT), *site.getsitepackages()])}


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A folder that every user may enter; those of pytest are for one."""
    folder = Path(tempfile.mkdtemp(prefix="polymill-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def shared_cluster(for_all: Path) -> Iterator[Cluster]:
    """A SLURM that every user may use."""
    if why := missing_tool():
        pytest.skip(why)
    cluster = Cluster.start(for_all / "cluster")
    yield cluster
    cluster.stop()


def test_the_runs_of_two_users_do_not_meet(
    fresh_clips: Workplace, finished_clips: Workplace, shared_cluster: Cluster, for_all: Path
) -> None:
    python, paths = python_of_all()
    places, runs = [], []
    for name in ("games", "nobody"):
        user = pwd.getpwnam(name)
        here = RemotePlace.create(fresh_clips, for_all / name, shared_cluster)
        (here.folder / "slurm").symlink_to(ROOT / "profiles" / "slurm")
        for path in (here.folder, *here.folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        environment = clean_environment() | shared_cluster.environment | here.environment | {"HOME": str(here.folder)}
        environment["PYTHONPATH"] += os.pathsep + paths.get("PYTHONPATH", "")
        command = [str(python), "-m", "snakemake", *here.place.command()[1:], "--profile", "slurm", *IMPATIENT]
        places.append(here)
        runs.append(
            subprocess.Popen(
                command,
                cwd=here.folder,
                env=environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user.pw_uid,
                group=user.pw_gid,
                extra_groups=[],
            )
        )
    for here in places:
        here.wait_for_sample("began", WAITS)
    at_work = shared_cluster.tell("squeue", "-h", "-t", "RUNNING", "-o", "%u").split()
    assert {"games", "nobody"} == set(at_work)
    for here, run in zip(places, runs, strict=True):
        (here.folder / "go").touch()
        ran = finish(run, 240)
        assert ran.code == 0, ran.text
        assert len(submitted(ran.text)) == len(SHARDS)
        assert contents(here.place.dataset) == contents(finished_clips.dataset)
        assert leftovers(here.folder) == []
        assert here.made_twice() == []
        assert {path.owner() for path in here.place.dataset.rglob("*")} == {here.folder.name}
    tell("SLURM: two users' runs side by side", systems="clip4mc", tried=1)
