"""Shard jobs and their workers as copies of a process that has imported all: to start one takes milliseconds.

Everything else is as in a run: a job leads a process group of its own, its workers have nothing of it but their pipe,
and end when it dies.
"""

import errno
import fcntl
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from scripts.shared import worker_pool, worker_process
from scripts.shared.errors import PolymillError
from tests.snakemake_run import clean_environment

A_DEFECT = 70  # exit status: something was raised that no user can mend


class ForkedWorker:
    """Stands where `worker_pool` starts a process; serves the same tasks in a copy of this one."""

    def __init__(self, command: Sequence[str], *, pass_fds: Sequence[int], **_: Any) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _close_all_but(pass_fds)
                sys.argv = list(command[2:])
                worker_process.main()
            except BaseException:  # noqa: BLE001 - nothing may get out of a copy of pytest
                traceback.print_exc()
            finally:
                os._exit(0)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not ended_within(self.pid, timeout):
                raise subprocess.TimeoutExpired("worker", timeout or 0)
            self.returncode = status_of(self.pid)
        return self.returncode

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)


def _close_all_but(kept: Sequence[int]) -> None:
    """As `subprocess` does: what a worker held of its job, such as the lock of the shard, would outlive the job."""
    edges = [2, *sorted(kept), os.sysconf("SC_OPEN_MAX")]
    for before, after in pairwise(edges):
        os.closerange(before + 1, after)


def start(work: Callable[[], None], log: Path, *, locks: bool = True) -> int:
    """Begin a job in a process group of its own; its number.

    Args:
        work: what the job does.
        log: gets what it and its workers print.
        locks: whether its file system has them.
    """
    pid = os.fork()
    if pid:
        _lead_group(pid)
        return pid
    status = A_DEFECT
    try:
        _lead_group(0)
        environment = clean_environment()
        os.environ.clear()
        os.environ.update(environment)
        printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", 1, closefd=False), os.fdopen(2, "w", 1, closefd=False)
        torch.set_num_threads(1)
        threadpool_limits(1)  # as a worker's environment says: two threads sum in another order
        worker_pool.subprocess = SimpleNamespace(  # type: ignore[assignment]
            Popen=ForkedWorker, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired
        )
        if not locks:
            fcntl.flock = _no_flock
        work()
        status = 0
    except PolymillError as error:
        sys.stderr.write(f"{error}\n")
        status = error.exit_status
    except BaseException:  # noqa: BLE001 - nothing may get out of a copy of pytest
        traceback.print_exc()
    finally:
        os._exit(status)


def _lead_group(pid: int) -> None:
    with suppress(PermissionError, ProcessLookupError):  # the other of the two was quicker
        os.setpgid(pid, pid)


def _no_flock(*_: Any) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def ended_within(pid: int, seconds: float | None) -> bool:
    """Whether a child ends by then; it is waited for without a look at the clock."""
    descriptor = os.pidfd_open(pid)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def status_of(pid: int) -> int:
    """How a child ended, as `subprocess` counts; waits for it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def children(pid: int) -> list[int]:
    """The worker processes of a job."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
