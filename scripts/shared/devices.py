"""The GPUs of this machine: which ones a process may use, and a lease on some that no other job has.

Snakemake counts GPUs and hands out none, so a job takes a device by a file lock, before any CUDA library loads. The
locks lie in one folder for all users of the machine; the kernel releases them when a job dies, however it dies, and
with it the processes that work on its devices, which it hands them to (`held_locks`).
"""

import errno
import fcntl
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts.shared.errors import ConfigError, JobError

# Not where TMPDIR points: that may differ from user to user.
LOCKS = Path("/tmp/polymill-gpus")  # noqa: S108 - what another user may put there is refused below
_GATE = "choosing"
_POLL_S = 0.5
_VARIABLE = "CUDA_VISIBLE_DEVICES"
# What SLURM sets where it gives a job or step GPUs, parts of them, or a share of their time.
_GIVEN_BY_SLURM = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_SHARDS_ON_NODE", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE")
_OWN = "POLYMILL_GPUS_ARE_MINE"
_HANDED = "POLYMILL_GPU_LOCKS"

Chosen = Literal["auto"] | Sequence[int]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """One GPU.

    Attributes:
        index: its place on this machine in PCI order, as `gpus` in the configuration counts; -1 for a MIG instance.
        uuid: its name for CUDA.
        name: its model.
    """

    index: int
    uuid: str
    name: str


def installed() -> list[Device]:
    """The GPUs that the driver knows, in PCI order; none where there is no driver or no library to ask it."""
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    found = []
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            with suppress(pynvml.NVMLError):  # one that fell off its bus does not hide the others
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                uuid, name = _text(pynvml.nvmlDeviceGetUUID(handle)), _text(pynvml.nvmlDeviceGetName(handle))
                found.append(Device(index, uuid, name))
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()
    return found


def _text(answer: str | bytes) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer  # bytes in older versions


def keep_to_slurm(environment: MutableMapping[str, str] = os.environ, *, own: bool) -> bool:
    """Hide from this process and those that it starts what SLURM did not give them; without SLURM nothing changes.

    `sbatch` hands on the CUDA_VISIBLE_DEVICES of the shell that it is called from, and where SLURM does not confine
    its jobs they see every GPU of the node.

    Args:
        environment: what to change.
        own: this is a job that Snakemake submitted: what SLURM gave it is for it alone, so that `visible` asks no
            further and `lease` locks nothing. A whole run inside an allocation shares it out among its jobs.

    Returns:
        Whether GPUs were hidden that were seen before.
    """
    if "SLURM_JOB_ID" not in environment:
        return False
    if own:
        environment[_OWN] = "yes"
    if any(environment.get(name) for name in _GIVEN_BY_SLURM):
        return False
    hidden = bool(visible(environment=environment))
    environment[_VARIABLE] = ""
    return hidden


def visible(chosen: Chosen = "auto", environment: Mapping[str, str] = os.environ) -> list[Device]:
    """The GPUs that this process may use.

    Args:
        chosen: `gpus` of the configuration: "auto", or places on this machine, which mean nothing where SLURM chose.
        environment: its CUDA_VISIBLE_DEVICES narrows the choice and gives the order.

    Raises:
        ConfigError: `chosen` names a place where this machine, which has GPUs, has none.
    """
    named = environment.get(_VARIABLE)
    if chosen == [] or (named is not None and named.strip() in ("", "-1")):
        return []
    devices = installed()
    if _OWN in environment:
        chosen = "auto"
    if chosen != "auto":
        places = [device.index for device in devices]
        missing = [index for index in chosen if index not in places]
        if devices and missing:
            there = ", ".join(map(str, places))
            raise ConfigError(f"gpus: no GPU {missing[0]} on this machine; there are {there}")
    if devices and named is not None:
        devices = _named(named, devices)
    return devices if chosen == "auto" else [device for device in devices if device.index in chosen]


def _named(named: str, devices: Sequence[Device]) -> list[Device]:
    """The devices of a CUDA_VISIBLE_DEVICES: places, UUIDs or beginnings of one. As in CUDA, a wrong word ends it."""
    found: list[Device] = []
    for word in map(str.strip, named.split(",")):
        if word.startswith("MIG-"):  # a part of a GPU, which only its user can have cut
            fits = [Device(-1, word, "MIG instance")]
        elif word.isdecimal():
            fits = [device for device in devices if device.index == int(word)]
        else:
            fits = [device for device in devices if word.startswith("GPU-") and device.uuid.startswith(word)]
        if len(fits) != 1:
            break
        found += [device for device in fits if device not in found]
    return found


@contextmanager
def lease(
    k: int,
    slots: int = 1,
    *,
    chosen: Chosen = "auto",
    wait: Callable[[], bool] = lambda: True,
    folder: Path | None = None,
) -> Iterator[list[Device]]:
    """Hold GPUs, with CUDA_VISIBLE_DEVICES naming them. Enter it before any CUDA library loads.

    Where SLURM gave this job as many devices as it takes, these are used and nothing is locked.

    Args:
        k: how many; all of them or none.
        slots: jobs that share one device; those with another number of slots are never beside them.
        chosen: `gpus` of the configuration.
        wait: asked while too few are free: whether to wait on.
        folder: of the locks; unset, the one that all users of this machine have.

    Yields:
        The devices, those with the most free slots; none where too few are free and `wait` says no.

    Raises:
        ConfigError: `chosen` names a device that does not exist.
        JobError: the machine has fewer devices, or the locks cannot be used.
    """
    devices = visible(chosen)
    if _OWN in os.environ and len(devices) == k:
        yield devices
        return
    if len(devices) < k:
        raise JobError(f"this job takes {k} GPU(s), and {len(devices)} can be used here: see gpus and {_VARIABLE}")
    with ExitStack() as held:
        taken = _take(devices, k, slots, folder or LOCKS, held)
        if not taken and wait():
            names = ", ".join(f"{device.index} ({device.name})" for device in devices)
            log.info("other jobs have the GPUs: this one waits for %d of %s", k, names)
        while not taken and wait():
            time.sleep(_POLL_S)
            taken = _take(devices, k, slots, folder or LOCKS, held)
        if taken:
            held.enter_context(_environment(_VARIABLE, ",".join(device.uuid for device in taken)))
        yield taken


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _take(devices: Sequence[Device], k: int, slots: int, folder: Path, held: ExitStack) -> list[Device]:
    """Lock a slot of each of k devices until `held` closes; none where too few are free."""
    try:
        with ExitStack() as tried:
            place = _share(folder)
            tried.callback(os.close, place)
            # One chooses at a time: then a slot that looks taken is, and two that want two devices never take one each.
            if _lock(_GATE, place, tried) is None:
                return []
            free = {device: _free_slots(device, slots, place, tried) for device in devices}
            best = sorted(filter(free.get, devices), key=lambda device: -len(free[device]))[:k]
            if len(best) < k:
                return []
            for device in best:
                descriptor = os.dup(free[device][0])  # the lock lasts until its last descriptor is closed
                _held.add(descriptor)
                held.callback(_let_go, descriptor)
            return best
    except OSError as error:
        raise JobError(
            f"{folder / (error.filename or '')}: {error.strerror}: the locks that keep jobs apart on GPUs cannot be "
            "used; have its owner or an administrator remove it, or take no GPU: gpus: []"
        ) from error


def _free_slots(device: Device, slots: int, place: int, tried: ExitStack) -> list[int]:
    """Locks of the slots of a device that no job has; none where jobs with another number of slots have it."""
    name = re.sub(r"[^A-Za-z0-9-]", "_", device.uuid)  # those of older MIG instances hold slashes
    ours = [f"{name}.{slot}-of-{slots}" for slot in range(1, slots + 1)]
    others = [there for there in os.listdir(place) if there.startswith(f"{name}.") and there not in ours]
    if any(_lock(other, place, tried) is None for other in others):
        return []
    return [lock for lock in (_lock(slot, place, tried) for slot in ours) if lock is not None]


# Descriptors of the locks that this process holds, or was handed.
_held: set[int] = set()


def _let_go(descriptor: int) -> None:
    if descriptor in _held:
        _held.remove(descriptor)
        os.close(descriptor)


def _let_go_of_all() -> None:
    for descriptor in list(_held):
        _let_go(descriptor)


# A copy of this process, such as one that reads ahead for a training, works on no GPU and may outlive it.
os.register_at_fork(after_in_child=_let_go_of_all)


def held_locks() -> tuple[list[int], dict[str, str]]:
    """What a process that is to work on the GPUs held here is started with, and calls `keep_locks` to know of.

    Then they stay taken until it has ended too, though the job that took them is killed.

    Returns:
        Descriptors to pass it, and variables of its environment.
    """
    return sorted(_held), {_HANDED: ",".join(map(str, sorted(_held)))}


def keep_locks() -> None:
    """Know of the locks that this process was handed: its copies are not to have them."""
    _held.update(int(word) for word in os.environ.pop(_HANDED, "").split(",") if word)


def _share(folder: Path) -> int:
    """Make the folder of the locks, for all users, and open it.

    Raises:
        OSError: something else is there.
    """
    with suppress(FileExistsError):
        folder.mkdir()
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    found = os.fstat(place)
    if found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) != 0o1777:
        os.fchmod(place, 0o1777)
    return place


def _lock(name: str, place: int, tried: ExitStack) -> int | None:
    """A descriptor that holds the lock of a file until `tried` closes; None where another has it.

    Raises:
        OSError: the file is none that can be locked.
    """
    descriptor = _open(name, place)
    tried.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    with suppress(PermissionError):
        os.utime(descriptor)  # so that what tidies /tmp leaves it alone
    # A lock on a file that was removed meanwhile keeps nobody out.
    return descriptor if os.fstat(descriptor).st_nlink else None


def _open(name: str, place: int) -> int:
    """Open a lock file, made with access for all; never through a link, and nothing is written to it."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=place)
    except FileNotFoundError:
        # Complete before it has its name: a kill in between would leave one that other users cannot open. And the
        # kernel refuses O_CREAT on the file of another user in a folder such as this.
        made = f".{secrets.token_hex(8)}"
        with _closing(os.open(made, flags | os.O_CREAT | os.O_EXCL, dir_fd=place)) as new:
            try:
                os.fchmod(new, 0o666)
                with suppress(FileExistsError):
                    os.link(made, name, src_dir_fd=place, dst_dir_fd=place)
            finally:
                os.unlink(made, dir_fd=place)
        descriptor = os.open(name, flags, dir_fd=place)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", name)
    return descriptor


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
