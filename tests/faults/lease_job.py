"""Jobs that do nothing but hold GPUs for a moment, and note it; and a storm of them, of which some are killed.

python -m tests.faults.lease_job ORDER    a storm; ORDER is a JSON object, the named arguments of `storm`
"""

import fcntl
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scripts.shared import devices
from tests.gpu_events import note

_AT_ONCE = 16
_KILLED = 0.2  # of the jobs are to be; half of these end before


def hold(locks: Path, log: Path, k: int, slots: int, seconds: float) -> None:
    """Hold k GPUs so long."""
    with devices.lease(k, slots, folder=locks) as held:
        note(log, "begin", os.getpid(), [device.uuid for device in held], slots)
        time.sleep(seconds)
        note(log, "end", os.getpid())


def start(locks: Path, log: Path, k: int, slots: int, seconds: float) -> int:
    """Hold k GPUs in a copy of this process; its number."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        hold(locks, log, k, slots, seconds)
        status = 0
    finally:
        os._exit(status)


def storm(locks: Path, log: Path, jobs: Sequence[tuple[int, int]], *, seed: int) -> Counter[str]:
    """Start jobs at random times, and kill some at a random one.

    Args:
        locks: folder of the locks.
        log: of `tests.gpu_events`.
        jobs: (GPUs, jobs that share one) of each.
        seed: of all that is random.

    Returns:
        How the jobs ended: their exit status, or `killed`.
    """
    draw = random.Random(seed)
    left, ends = list(jobs), Counter[str]()
    running: dict[int, float] = {}  # to the moment of its kill
    while left or running:
        while left and len(running) < _AT_ONCE:
            pid = start(locks, log, *left.pop(0), draw.uniform(0.005, 0.03))
            running[pid] = time.monotonic() + draw.uniform(0, 0.3) if draw.random() < _KILLED else float("inf")
        for pid in [pid for pid, moment in running.items() if moment <= time.monotonic()]:
            running[pid] = float("inf")
            note(log, "killed", pid)
            os.kill(pid, signal.SIGKILL)
        for pid in list(running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                ends["killed" if os.WIFSIGNALED(status) else str(os.waitstatus_to_exitcode(status))] += 1
                del running[pid]
        time.sleep(draw.uniform(0, 0.01))
    return ends


def main() -> None:
    """Blow a storm, and print how its jobs ended."""
    order = json.loads(sys.argv[1])
    devices._POLL_S = 0.01
    if order.pop("broken", False):
        fcntl.flock = lambda *_: None  # type: ignore[assignment]
    print(json.dumps(storm(Path(order.pop("locks")), Path(order.pop("log")), **order)))


if __name__ == "__main__":
    main()
