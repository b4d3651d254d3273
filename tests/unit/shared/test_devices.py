"""GPUs that a process may use, and the lease on some, on a machine that has none: its library is stood in for."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.shared import devices
from scripts.shared.devices import Device, installed, lease, visible
from scripts.shared.errors import ConfigError, JobError
from tests.snakemake_run import ROOT

STAND_INS = ROOT / "tests" / "stand_ins"
UUIDS = ["GPU-aa10", "GPU-aa20", "GPU-bb30", "GPU-cc40"]


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give this machine GPUs."""
    monkeypatch.syspath_prepend(str(STAND_INS))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    for name in ("CUDA_VISIBLE_DEVICES", "POLYMILL_GPUS_ARE_MINE", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)

    def have(*uuids: str, **variables: str) -> None:
        monkeypatch.setenv("POLYMILL_FAKE_GPUS", ",".join(uuids))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return have


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_POLL_S", 0.02)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """The stand-in is no module for the tests that follow."""
    yield
    sys.modules.pop("pynvml", None)


def indices(*arguments: Any, **variables: str) -> list[int]:
    return [device.index for device in visible(*arguments)]


def test_all_devices_are_seen_with_place_uuid_and_name(gpus: Callable[..., None]) -> None:
    gpus(*UUIDS[:2])
    assert installed() == [Device(0, "GPU-aa10", "Fake 1000"), Device(1, "GPU-aa20", "Fake 1000")]


def test_a_device_that_fell_off_its_bus_does_not_hide_the_others(gpus: Callable[..., None]) -> None:
    gpus(UUIDS[0], "lost", UUIDS[2])
    assert indices() == [0, 2]


def test_without_a_driver_there_are_none(gpus: Callable[..., None]) -> None:
    gpus()
    assert visible() == []
    assert visible([0]) == []


def test_without_the_library_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert installed() == []


@pytest.mark.parametrize(
    ("named", "seen"),
    [
        ("", []),
        ("-1", []),
        ("2", [2]),
        ("3,0", [3, 0]),
        ("GPU-bb30,GPU-aa10", [2, 0]),
        ("GPU-b", [2]),
        ("GPU-aa,1", []),  # begins two UUIDs
        ("1,9,2", [1]),
        ("1,-1,2", [1]),
        ("1, 1,2", [1, 2]),
        ("nonsense", []),
    ],
)
def test_cuda_visible_devices_narrows_and_orders_as_in_cuda(
    named: str, seen: list[int], gpus: Callable[..., None]
) -> None:
    gpus(*UUIDS, CUDA_VISIBLE_DEVICES=named)
    assert indices() == seen


def test_a_mig_instance_is_taken_by_its_word(gpus: Callable[..., None]) -> None:
    gpus(*UUIDS, CUDA_VISIBLE_DEVICES="MIG-GPU-aa10/1/0")
    assert [device.uuid for device in visible()] == ["MIG-GPU-aa10/1/0"]


def test_the_configuration_narrows_to_places_on_the_machine(gpus: Callable[..., None]) -> None:
    gpus(*UUIDS)
    assert (indices([0, 2]), indices([])) == ([0, 2], [])
    gpus(*UUIDS, CUDA_VISIBLE_DEVICES="3,2,1")
    assert indices([0, 2, 1]) == [2, 1]


def test_a_place_without_a_gpu_is_an_error_that_names_those_there_are(gpus: Callable[..., None]) -> None:
    gpus(*UUIDS[:2])
    with pytest.raises(ConfigError, match="gpus: no GPU 5 on this machine; there are 0, 1"):
        visible([0, 5])


def test_a_lease_names_its_devices_to_cuda_and_puts_the_variable_back(
    gpus: Callable[..., None], tmp_path: Path
) -> None:
    gpus(*UUIDS)
    with lease(2, folder=tmp_path / "locks") as held:
        assert [device.index for device in held] == [0, 1]
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-aa10,GPU-aa20"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    gpus(*UUIDS, CUDA_VISIBLE_DEVICES="3,1")
    with suppress(RuntimeError), lease(1, folder=tmp_path / "locks"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-cc40"
        raise RuntimeError
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,1"


def take(folder: Path, k: int = 1, slots: int = 1, **more: Any) -> list[int]:
    """Places of the devices that a lease gives at once; it is given back at once."""
    with lease(k, slots, folder=folder, wait=lambda: False, **more) as held:
        return [device.index for device in held]


@contextmanager
def no_choice() -> Iterator[None]:
    """Inside a lease, what another job would see: a lease narrows the choice of its own process."""
    named = os.environ.pop("CUDA_VISIBLE_DEVICES")
    yield
    os.environ["CUDA_VISIBLE_DEVICES"] = named


def test_the_device_with_the_most_free_slots_comes_first(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(*UUIDS[:2])
    again = lease(1, 2, folder=tmp_path)
    with lease(1, 2, folder=tmp_path) as one, no_choice(), lease(1, 2, folder=tmp_path) as two, no_choice():
        with again as three, no_choice():
            assert [held[0].index for held in (one, two, three)] == [0, 1, 0]
            assert take(tmp_path, slots=2) == [1]
        assert take(tmp_path, slots=2) == [0]


def test_all_or_none_is_taken(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(*UUIDS[:3])
    with lease(1, folder=tmp_path), no_choice():
        assert take(tmp_path, 3) == []
        assert take(tmp_path, 2) == [1, 2]


def test_more_devices_than_there_are_is_an_error_not_a_wait(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(*UUIDS[:2])
    with pytest.raises(JobError, match=r"takes 3 GPU\(s\), and 2 can be used"), lease(3, folder=tmp_path):
        pass


def test_a_waiting_job_takes_a_device_as_soon_as_it_is_free(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(UUIDS[0])
    first = lease(1, folder=tmp_path)
    first.__enter__()
    threading.Timer(0.2, first.__exit__, (None, None, None)).start()
    started, cpu = time.monotonic(), time.process_time()
    with lease(1, folder=tmp_path) as held:
        assert len(held) == 1
    assert time.monotonic() - started > 0.1
    assert time.process_time() - cpu < 0.1


@pytest.mark.parametrize(
    ("given", "left", "own"),
    [
        ({}, "0", None),
        ({"SLURM_JOB_ID": "7"}, "", "yes"),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0"}, "0", "yes"),
        ({"SLURM_JOB_ID": "7", "SLURM_STEP_GPUS": "0"}, "0", "yes"),
        ({"SLURM_JOB_ID": "7", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": "50"}, "0", "yes"),
    ],
)
def test_what_slurm_did_not_give_is_hidden_whatever_the_submitting_shell_named(
    given: dict[str, str], left: str, own: str | None, gpus: Callable[..., None]
) -> None:
    gpus(UUIDS[0])
    for submitted in (False, True):
        environment = {"CUDA_VISIBLE_DEVICES": "0", **given}
        assert devices.keep_to_slurm(environment, own=submitted) == (left == "")
        assert environment.pop("CUDA_VISIBLE_DEVICES") == left
        assert environment.pop("POLYMILL_GPUS_ARE_MINE", None) == (own if submitted else None)
        assert environment == given


def submit(gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    """Make this process a job that Snakemake submitted, of a node with four GPUs."""
    gpus(*UUIDS, SLURM_JOB_ID="7", SLURM_STEP_GPUS=named, CUDA_VISIBLE_DEVICES=named)
    monkeypatch.setenv("POLYMILL_GPUS_ARE_MINE", "")  # so that it is put back
    devices.keep_to_slurm(own=True)


def test_a_job_of_slurm_has_what_it_was_given_and_locks_nothing(
    gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    submit(gpus, monkeypatch, "2")
    # The places of the configuration are those of the machine that the run was started on.
    with lease(1, chosen=[0, 1], folder=tmp_path / "locks") as held, lease(1, folder=tmp_path / "locks"):
        assert [device.index for device in held] == [2]
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"
    assert not (tmp_path / "locks").exists()
    assert visible([]) == []
    with pytest.raises(JobError, match=r"takes 2 GPU\(s\), and 1 can be used"), lease(2, folder=tmp_path / "locks"):
        pass


def test_a_job_of_slurm_with_more_than_it_takes_shares_them_by_the_locks(
    gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    submit(gpus, monkeypatch, "2,3")
    with lease(1, folder=tmp_path) as held:
        os.environ["CUDA_VISIBLE_DEVICES"] = "2,3"
        assert [device.index for device in held] + take(tmp_path) == [2, 3]


@pytest.mark.parametrize("named", ["2", "2,3"])
def test_the_jobs_of_a_run_inside_an_allocation_share_it_out_by_the_locks(
    named: str, gpus: Callable[..., None], tmp_path: Path
) -> None:
    gpus(*UUIDS, SLURM_JOB_ID="7", SLURM_JOB_GPUS=named, CUDA_VISIBLE_DEVICES=named)
    devices.keep_to_slurm(own=False)
    with ExitStack() as stack:
        for place in named.split(","):
            assert [device.index for device in stack.enter_context(lease(1, folder=tmp_path))] == [int(place)]
            os.environ["CUDA_VISIBLE_DEVICES"] = named
        assert take(tmp_path) == []


def test_jobs_with_another_number_of_slots_are_never_on_one_device(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(*UUIDS[:2])
    with lease(1, 2, folder=tmp_path), no_choice():
        assert [take(tmp_path, slots=slots) for slots in (1, 2, 3)] == [[1], [1], [1]]
        with lease(1, folder=tmp_path), no_choice():
            assert [take(tmp_path, slots=slots) for slots in (1, 2, 3)] == [[], [0], []]
    assert take(tmp_path, 2, slots=3) == [0, 1]


def test_all_users_can_open_the_locks_whatever_the_umask(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(UUIDS[0])
    before = os.umask(0o077)
    try:
        take(tmp_path / "locks")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "locks").stat().st_mode) == 0o1777
    assert {path.name for path in (tmp_path / "locks").iterdir()} == {"choosing", "GPU-aa10.1-of-1"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "locks").iterdir()} == {0o666}


def _link(path: Path) -> None:
    victim = path.parent.parent / "victim"
    victim.write_text("mine")
    path.symlink_to(victim)


@pytest.mark.parametrize("make", [_link, os.mkfifo, Path.mkdir])
@pytest.mark.parametrize("name", ["choosing", "GPU-aa10.1-of-1"])
def test_what_is_no_plain_file_is_refused(
    name: str, make: Callable[[Path], None], gpus: Callable[..., None], tmp_path: Path
) -> None:
    gpus(UUIDS[0])
    (tmp_path / "locks").mkdir()
    make(tmp_path / "locks" / name)
    with pytest.raises(JobError, match="locks that keep jobs apart"):
        take(tmp_path / "locks")


def test_a_folder_that_is_a_link_is_refused(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(UUIDS[0])
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "locks").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JobError, match="Not a directory"):
        take(tmp_path / "locks")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_file_of_another_user_that_cannot_be_opened_is_named(
    gpus: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(UUIDS[0])
    take(tmp_path)
    real = os.open

    def refuse(path: Any, flags: int, **more: Any) -> int:
        if path == "GPU-aa10.1-of-1":
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(JobError, match=r"GPU-aa10\.1-of-1: Permission denied.*owner"):
        take(tmp_path)


def test_a_lock_file_that_was_tidied_away_is_not_locked_in_its_old_place(
    gpus: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(UUIDS[0])
    take(tmp_path)
    real = devices.fcntl.flock
    removed = []

    def flock(descriptor: int, how: int) -> None:
        if not removed and os.readlink(f"/proc/self/fd/{descriptor}").endswith(".1-of-1"):
            removed.append((tmp_path / "GPU-aa10.1-of-1").unlink())  # between opening and locking
        real(descriptor, how)

    monkeypatch.setattr(devices.fcntl, "flock", flock)
    assert take(tmp_path) == []
    assert take(tmp_path) == [0]


# Real processes: each takes a lease, notes what CUDA would see and when, and gives it back.
JOB = """
import os, sys, time
from pathlib import Path
from scripts.shared import devices
devices._POLL_S = 0.02
folder, k, slots, chosen, seconds = sys.argv[1:]
chosen = chosen if chosen == "auto" else [int(index) for index in chosen.split(",")]
with devices.lease(int(k), int(slots), chosen=chosen, folder=Path(folder)):
    start = time.monotonic()
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(float(seconds))
    print(start, time.monotonic(), flush=True)
"""


def job(
    folder: Path, k: int = 1, slots: int = 1, chosen: str = "auto", seconds: float = 0.1
) -> "subprocess.Popen[str]":
    clean = {name: value for name, value in os.environ.items() if name not in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")}
    search = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(STAND_INS)])}
    words = [str(folder), str(k), str(slots), chosen, str(seconds)]
    return subprocess.Popen([sys.executable, "-c", JOB, *words], env=clean | search, stdout=subprocess.PIPE, text=True)


def spans(jobs: list["subprocess.Popen[str]"]) -> dict[str, list[tuple[float, float]]]:
    """When each device was held, by its UUID."""
    held: dict[str, list[tuple[float, float]]] = {}
    for process in jobs:
        text, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        uuids, times = text.splitlines()
        start, end = map(float, times.split())
        for uuid in uuids.split(","):
            held.setdefault(uuid, []).append((start, end))
    return held


def most_at_once(times: list[tuple[float, float]]) -> int:
    return max(sum(start <= moment < end for start, end in times) for moment, _ in times)


@pytest.mark.parametrize(("n", "k", "slots", "n_jobs"), [(1, 1, 1, 4), (2, 1, 1, 5), (4, 1, 2, 9), (4, 2, 1, 4)])
def test_more_jobs_than_devices_never_share_a_slot(
    n: int, k: int, slots: int, n_jobs: int, gpus: Callable[..., None], tmp_path: Path
) -> None:
    gpus(*UUIDS[:n])
    held = spans([job(tmp_path, k, slots) for _ in range(n_jobs)])
    assert set(held) <= set(UUIDS[:n])
    assert sum(map(len, held.values())) == n_jobs * k
    assert max(map(most_at_once, held.values())) <= slots


def test_only_the_chosen_devices_are_taken(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(*UUIDS)
    held = spans([job(tmp_path, chosen="0,2") for _ in range(3)])
    assert set(held) == {UUIDS[0], UUIDS[2]}


def test_a_killed_job_frees_its_device_at_once(gpus: Callable[..., None], tmp_path: Path) -> None:
    gpus(UUIDS[0])
    process = job(tmp_path, seconds=100)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == UUIDS[0]
    assert take(tmp_path) == []
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert take(tmp_path) == [0]


# A child as `worker_pool` and `launch` start them, and a copy as DataLoader makes them; both outlive the job.
CHILDREN = """
import os, subprocess, sys, time
from pathlib import Path
from scripts.shared import devices
folder, who = sys.argv[1:]
if who == "child":
    devices.keep_locks()
    if os.fork() == 0:
        time.sleep(100)
    print("ready", flush=True)
    time.sleep(100)
with devices.lease(1, folder=Path(folder)):
    if who == "worker":
        locks, named = devices.held_locks()
        command = [sys.executable, "-c", os.environ["CHILDREN"], folder, "child"]
        subprocess.Popen(command, pass_fds=locks, env={**os.environ, **named})
    elif os.fork() == 0:
        print("ready", flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("who", ["worker", "copy"])
def test_only_a_process_that_works_on_the_gpu_keeps_it_beyond_the_job(
    who: str, gpus: Callable[..., None], tmp_path: Path
) -> None:
    gpus(UUIDS[0])
    search = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(STAND_INS)]), "CHILDREN": CHILDREN}
    command = [sys.executable, "-c", CHILDREN, str(tmp_path), who]
    started = subprocess.Popen(command, env=os.environ | search, stdout=subprocess.PIPE, start_new_session=True)
    family = psutil.Process(started.pid)
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        children = family.children()
        assert len(children) == 1
        started.kill()
        started.wait()
        assert children[0].is_running()
        if who == "copy":
            assert take(tmp_path) == [0]
        else:
            assert take(tmp_path) == []
            grandchildren = children[0].children()
            assert len(grandchildren) == 1
            children[0].kill()
            children[0].wait()
            assert grandchildren[0].is_running()
            assert take(tmp_path) == [0]
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.stdout.close()
