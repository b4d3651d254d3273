"""Trainings in copies of this process, killed at random moments around their checkpoints."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from scripts.shared.training import start as start_training
from tests.forked import fork

LONG_S = 60


def begin(start: Callable[[], None], train_process: Callable[[Path], None]) -> int:
    """Start a training in a copy of this process, which has imported all; its number.

    Args:
        start: starts it as its rule does.
        train_process: what the one process of the training runs.
    """

    def work() -> None:
        os.setpgid(0, 0)  # so that its reader of videos is killed with it
        start_training.run_processes = lambda _module, settings, _n, **_: train_process(settings)
        start()

    return fork(work)


def kill_once(pid: int, checkpoints: Path, moments: random.Random) -> int:
    """Kill a training before its first step, between steps, or while it writes a checkpoint; how it ended."""
    changes, seen = moments.randint(0, 9), changed(checkpoints)  # a checkpoint is three: begun, there, an old one gone
    until = time.monotonic() + LONG_S
    while changes and time.monotonic() < until and not ended(pid):
        if (now := changed(checkpoints)) != seen:
            changes, seen = changes - 1, now
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.05))
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # it is not in its group yet
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def changed(folder: Path) -> int:
    """When a folder got or lost a file."""
    return folder.stat().st_mtime_ns if folder.exists() else 0
