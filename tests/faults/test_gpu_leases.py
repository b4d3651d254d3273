"""Jobs that begin at random and are killed at random: no two are ever on one GPU that may not be.

The GPUs are stood in for; locks, processes and kills are real.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.shared import devices
from scripts.shared.devices import lease
from scripts.shared.errors import JobError
from tests.fake_gpus import STAND_INS, fake_gpus
from tests.faults import tally
from tests.faults.lease_job import hold, start
from tests.gpu_events import Held, note, read, wrongly_shared
from tests.gpu_jobs.place import UUIDS, GpuPlace
from tests.snakemake_run import ROOT, run_imported


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Gives this process, and those that it starts, so many GPUs."""
    with fake_gpus(monkeypatch, tmp_path / "locks", *UUIDS):
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(STAND_INS)]))
        yield lambda n: monkeypatch.setenv("POLYMILL_FAKE_GPUS", ",".join(UUIDS[:n]))


def storm(folder: Path, jobs: list[tuple[int, int]], *, seed: int, **more: bool) -> tuple[list[Held], dict[str, int]]:
    """Blow one in a process from which jobs are quickly forked; when each device was held, and how the jobs ended."""
    order = {"locks": str(folder / "locks"), "log": str(folder / "log"), "jobs": jobs, "seed": seed, **more}
    command = [sys.executable, "-m", "tests.faults.lease_job", json.dumps(order)]
    ran = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True, timeout=600)
    return read(folder / "log"), json.loads(ran.stdout)


def mixed(n_jobs: int, n: int, slots: int, *, seed: int) -> list[tuple[int, int]]:
    """Jobs of one GPU that share it, and trainings of one and of two, which never do."""
    trainings = [(1, 1)] if n == 1 else [(1, 1), (2, 1)]
    draw = random.Random(seed)
    return [(1, slots) if draw.random() < 0.7 else draw.choice(trainings) for _ in range(n_jobs)]


def check_storm(n: int, n_jobs: int, slots: int, folder: Path, *, seed: int) -> None:
    """None of the jobs is ever where it may not be, all end, some by a kill, and no device stays idle."""
    folder.mkdir(exist_ok=True)
    held, ends = storm(folder, mixed(n_jobs, n, slots, seed=seed), seed=seed)
    assert wrongly_shared(held) == 0
    assert sum(ends.values()) == n_jobs
    assert set(ends) == {"0", "killed"}
    assert {time.device for time in held} == set(UUIDS[:n])


@pytest.mark.parametrize(("n", "slots"), [(1, 2), (2, 1), (4, 2)])
def test_jobs_that_are_killed_at_random_never_share_a_gpu(
    n: int, slots: int, gpus: Callable[[int], None], tmp_path: Path
) -> None:
    gpus(n)
    check_storm(n, 60, slots, tmp_path, seed=n)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_jobs_that_are_killed_at_random_never_share_a_gpu(
    gpus: Callable[[int], None], tmp_path: Path
) -> None:
    tried = 0
    for n, n_jobs, slots in [(1, 150, 1), (1, 150, 2), (2, 200, 1), (2, 150, 3), (4, 200, 1), (4, 150, 2)]:
        gpus(n)
        check_storm(n, n_jobs, slots, tmp_path / str(tried), seed=tried)
        tried += n_jobs
    assert tried == 1000
    note = "1, 2 and 4 devices; a tenth of the jobs were killed. Wrong: a job beside another that was not to be there."
    tally.tell("GPU: jobs that shared a device", systems="all", tried=tried, note=note)


def test_the_count_sees_locks_that_keep_nobody_out(gpus: Callable[[int], None], tmp_path: Path) -> None:
    gpus(2)
    held, _ = storm(tmp_path, mixed(30, 2, 1, seed=0), seed=0, broken=True)
    assert wrongly_shared(held) > 5


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("order", [(2, 2, 1, 1, 1), (1, 1, 1, 2, 2), (1, 2, 1, 2, 1)])
def test_jobs_of_two_gpus_and_of_one_never_wait_for_each_other_without_end(
    order: tuple[int, ...], n: int, gpus: Callable[[int], None], tmp_path: Path
) -> None:
    gpus(n)
    held, ends = storm(tmp_path, [(k, 1) for k in order], seed=5)
    assert wrongly_shared(held) == 0
    assert sum(ends.values()) == len(order)


def test_a_killed_job_hands_its_gpu_to_the_next_at_its_next_look(gpus: Callable[[int], None], tmp_path: Path) -> None:
    gpus(1)
    log = tmp_path / "log"
    first = start(tmp_path / "locks", log, 1, 1, 100)
    end = time.monotonic() + 60
    while not log.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    second = start(tmp_path / "locks", log, 1, 1, 0)
    time.sleep(1)
    note(log, "killed", first)
    os.kill(first, signal.SIGKILL)
    assert os.waitpid(second, 0)[1] == 0
    os.waitpid(first, 0)
    times = read(log)
    assert 0 < times[1].begin - times[0].end < 2  # half a second, and what a busy machine adds


def test_jobs_that_wait_take_next_to_no_cpu_time(
    gpus: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpus(4)
    with lease(4, folder=tmp_path / "locks"):
        with monkeypatch.context() as patch:
            patch.delenv("CUDA_VISIBLE_DEVICES")  # which names what this process holds
            waiting = [start(tmp_path / "locks", tmp_path / "log", 1, 1, 0) for _ in range(4)]
        time.sleep(1)
        before = [sum(psutil.Process(pid).cpu_times()[:2]) for pid in waiting]
        time.sleep(3)
        spent = [sum(psutil.Process(pid).cpu_times()[:2]) - then for pid, then in zip(waiting, before, strict=True)]
    assert [os.waitpid(pid, 0)[1] for pid in waiting] == [0, 0, 0, 0]
    assert max(spent) < 0.02 * 3


def run(place: GpuPlace, *arguments: str) -> str:
    command = place.command("--profile", str(ROOT / "profiles" / "local_gpu"), "-j", "8", "-q", *arguments)
    ran = run_imported(command, place.folder, place.environment, 300)
    assert ran.code == 0, ran.text
    return ran.text


def orders(n_jobs: int, n: int, slots: int) -> dict[str, tuple[int, int]]:
    """Jobs as of a storm, by name; every eighth is killed once."""
    jobs = mixed(n_jobs, n, slots, seed=n)
    return {f"{'killed' if number % 8 == 3 else 'job'}{number}": job for number, job in enumerate(jobs)}


def check_run(n: int, n_jobs: int, slots: int, folder: Path) -> None:
    """The `snakemake` command runs all of them on the devices, and none is where it may not be."""
    folder.mkdir(exist_ok=True)
    place = GpuPlace(folder, orders(n_jobs, n, slots), n)
    run(place, "--retries", "1")
    held = place.held()
    assert wrongly_shared(held) == 0
    killed = [k for name, (k, _) in place.jobs.items() if name.startswith("killed")]
    assert len(held) == sum(k for k, _ in place.jobs.values()) + sum(killed)


def test_the_jobs_of_a_run_never_share_a_gpu(tmp_path: Path) -> None:
    check_run(2, 10, 2, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("n", "slots"), [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 3)])
def test_the_jobs_of_a_long_run_never_share_a_gpu(n: int, slots: int, tmp_path: Path) -> None:
    check_run(n, 40, slots, tmp_path)
    tally.tell("GPU: jobs of the snakemake command that shared a device", systems="all", tried=40)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_runs_at_once_share_out_the_devices_that_each_counts_as_its_own(tmp_path: Path) -> None:
    places = [GpuPlace(tmp_path / name, {f"job{number}": (1, 1) for number in range(4)}, 2) for name in "ab"]
    for place in places:
        place.folder.mkdir()
        place.variables["POLYMILL_GPU_LOCKS_AT"] = str(tmp_path / "locks")
    first = subprocess.Popen(
        places[0].command("-c4", "-q"), cwd=places[0].folder, env=places[0].environment, stderr=subprocess.DEVNULL
    )
    run(places[1])
    assert first.wait(100) == 0
    held = [time for place in places for time in place.held()]
    assert len(held) == 8
    assert wrongly_shared(held) == 0


@pytest.mark.parametrize(
    ("gpus", "named", "used"), [([0, 2], None, {0, 2}), ("auto", "3,1", {1, 3}), ([0, 2], "GPU-bb30,1", {2})]
)
def test_only_devices_that_configuration_and_user_allow_are_used(
    gpus: Any, named: str | None, used: set[int], tmp_path: Path
) -> None:
    variables = {"POLYMILL_GPU_TOGETHER": str(len(used))}  # so that none stays idle
    if named is not None:
        variables["CUDA_VISIBLE_DEVICES"] = named
    place = GpuPlace(tmp_path, {f"job{number}": (1, 1) for number in range(4)}, 4, gpus, variables)
    run(place)
    assert {UUIDS.index(time.device) for time in place.held()} == used
    assert wrongly_shared(place.held()) == 0


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")


def by_user(uid: int, work: Callable[[], None]) -> int:
    """Do something in a copy of this process that is another user's, who lets nobody see their files; its number."""
    if pid := os.fork():
        return pid
    try:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        os.umask(0o077)
        work()
    except BaseException:  # noqa: BLE001 - this copy must not go on as the test
        os._exit(1)
    os._exit(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that all users can write to; pytest's own are for one."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    (folder / "log").touch()
    (folder / "log").chmod(0o666)
    yield folder
    shutil.rmtree(folder)


@as_root
def test_users_share_the_locks(gpus: Callable[[int], None], open_folder: Path) -> None:
    gpus(2)
    devices.installed()  # imports the stand-in, which other users may not be able to read
    locks, log = open_folder / "locks", open_folder / "log"
    jobs = [by_user(4711 + number % 3, lambda: hold(locks, log, 1, 1, 0.1)) for number in range(9)]
    jobs.append(start(locks, log, 2, 1, 0.1))  # root's
    assert [os.waitpid(pid, 0)[1] for pid in jobs] == [0] * 10
    assert len(read(log)) == 11
    assert wrongly_shared(read(log)) == 0


@as_root
@pytest.mark.parametrize("place", ["locks", "locks/choosing", "locks/GPU-aa10.1-of-1"])
def test_a_link_that_another_user_put_in_the_way_is_refused(
    place: str, gpus: Callable[[int], None], open_folder: Path
) -> None:
    gpus(1)
    devices.installed()
    victim = open_folder / "victim"
    victim.mkdir() if place == "locks" else victim.touch()
    before = victim.stat()

    def plant() -> None:
        if place != "locks":
            (open_folder / "locks").mkdir()
            (open_folder / "locks").chmod(0o1777)
        (open_folder / place).symlink_to(victim)

    assert os.waitpid(by_user(4711, plant), 0)[1] == 0
    with pytest.raises(JobError, match=f"{place}: .* cannot be used"):
        hold(open_folder / "locks", open_folder / "log", 1, 1, 0)
    assert victim.stat() == before
