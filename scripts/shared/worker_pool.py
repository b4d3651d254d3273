"""Worker processes of which any may crash, hang or be killed, at the cost of the one sample in its hands.

Each worker has a pipe of its own. In pools whose workers share one, a worker that is killed while it holds the pipe's
lock stalls all others; and their time limits count the time in which a run was paused.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

import psutil

from scripts.shared.devices import held_locks
from scripts.shared.errors import JobError, SampleError

_TICK_S = 0.5
_LAST_WORDS_S = 5.0  # a process that fails closes its pipe before it has said why
_MAX_KILLED_AT_START = 10
_ROOT = Path(__file__).resolve().parents[2]
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")

log = logging.getLogger(__name__)

Task = TypeVar("Task")


def run_tasks(
    function: str, tasks: Sequence[Task], *, workers: int, timeout_s: float, stop: Callable[[], bool] = lambda: False
) -> Iterator[tuple[Task, Any | SampleError]]:
    """Run a function over tasks in worker processes.

    Args:
        function: `module:name` of a function of one task, importable without side effects.
        tasks: picklable tasks, started in this order.
        workers: number of processes at most.
        timeout_s: running time allowed to one task; time in which this process, or the worker, was stopped does not
            count.
        stop: asked again and again; once it says yes, no task is started any more, and those in hand are ended.

    Yields:
        (task, result) as they end, in any order. A result is what the function returned, or a `SampleError`: one that
        it raised, or of class `timeout`, `worker_died`, `out_of_memory` or `internal_error`.

    Raises:
        JobError: a worker cannot start, or the function raised it.
        ConfigError: the function raised it.
        ImportError: a package is missing.
    """
    return _run(function, deque(tasks), workers=workers, limit_s=lambda _: timeout_s, stop=stop)


def run_groups(
    function: str,
    groups: Sequence[list[Task]],
    *,
    workers: int,
    timeout_s: float,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Task, Any | SampleError]]:
    """As `run_tasks`, for a function that does several tasks at once better than one after another.

    A group that its worker did not survive, that took too long, or for which the function raised an error, is done
    again task by task: so that this costs the one task whose fault it is.

    Args:
        function: of a list of tasks, to a list of their results in the same order; a `SampleError` may be one.
        groups: the tasks, as they go together.
        workers: number of processes at most.
        timeout_s: running time allowed to one task; a group has as many times as much.
        stop: as of `run_tasks`.

    Yields:
        (task, result), as `run_tasks` does.

    Raises:
        JobError, ConfigError, ImportError: as `run_tasks`.
    """
    queue = deque(groups)
    answers = _run(function, queue, workers=workers, limit_s=lambda group: timeout_s * len(group), stop=stop)
    for group, answer in answers:
        if not isinstance(answer, SampleError):
            yield from zip(group, answer, strict=True)
        elif len(group) == 1:
            yield group[0], answer
        else:
            log.warning("a group of %d samples failed (%s): they are made one by one", len(group), answer)
            queue.extendleft([task] for task in reversed(group))


def _run(
    function: str,
    queue: deque[Task],
    *,
    workers: int,
    limit_s: Callable[[Task], float],
    stop: Callable[[], bool],
) -> Iterator[tuple[Task, Any | SampleError]]:
    """Do what is in a queue, to which more may be added whenever a result was taken."""
    pool: list[_Worker] = []
    ended: list[tuple[Task, Any | SampleError]] = []
    killed_at_start = 0
    last = time.monotonic()
    try:
        while queue or ended or any(worker.busy for worker in pool):
            if queue and stop():
                queue.clear()
            while len(pool) < min(workers, len(queue) + sum(worker.busy for worker in pool)):
                pool.append(_Worker(function))
            for worker in pool:
                if worker.idle and queue:
                    task = queue.popleft()
                    worker.give(task, limit_s(task))
            if ended:  # only now: no worker waits until the caller has put away what it made
                yield from ended
                ended.clear()
                continue
            answered = set(wait([worker.pipe for worker in pool], timeout=_TICK_S))
            now = time.monotonic()
            # After a pause this process sees one long step; it counts as little more than a tick.
            step, last = min(now - last, 2 * _TICK_S), now
            for worker in pool.copy():  # those that end leave it
                worker.running_s += step
                if worker.pipe in answered:
                    ended += _answer(worker, pool)
                    killed_at_start += worker.killed_at_start
                    if killed_at_start > _MAX_KILLED_AT_START:
                        raise JobError("worker processes are killed while they start: is there enough memory?")
                else:
                    ended += _end_if_late(worker, pool)
    finally:
        for worker in pool:
            worker.end()


def _end_if_late(worker: "_Worker", pool: list["_Worker"]) -> Iterator[tuple[Any, SampleError]]:
    """End a worker whose task has had its time."""
    if not worker.busy or worker.running_s <= worker.limit_s:
        return
    if worker.is_stopped():
        worker.running_s = 0.0  # by somebody who stopped this process alone: for how long, nobody knows
        return
    pool.remove(worker)
    worker.end()
    yield worker.task, SampleError("timeout", f"took more than sample_timeout_s = {worker.limit_s:g} s")


def _answer(worker: "_Worker", pool: list["_Worker"]) -> Iterator[tuple[Any, Any | SampleError]]:
    """Take what a worker sent: its word that it is ready, a result, or the silence of the dead."""
    was_busy = worker.busy
    message = worker.receive()
    if message is None:
        pool.remove(worker)
        status = worker.end(grace_s=_LAST_WORDS_S)
        if was_busy:
            yield (
                worker.task,
                SampleError("worker_died", f"the worker process {_how_it_ended(status)} on this sample"),
            )
        elif not worker.idle and status >= 0:
            raise JobError(f"a worker process {_how_it_ended(status)} while it started; its output says why")
        worker.killed_at_start = not was_busy and not worker.idle
    else:
        kind, value = message
        if kind == "stop":
            raise value
        if was_busy:
            yield worker.task, value


def _how_it_ended(status: int) -> str:
    if status == -signal.SIGKILL:  # what ends a process where memory does
        return "was ended by SIGKILL (out of memory? use fewer workers)"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


class _Worker:
    """One process, its pipe, and the task in its hands. It is starting, idle or busy."""

    def __init__(self, function: str) -> None:
        ours, theirs = socket.socketpair()
        search_path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        locks, named = held_locks()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "scripts.shared.worker_process",
                str(theirs.fileno()),
                str(os.getpid()),
                function,
            ],
            pass_fds=[theirs.fileno(), *locks],
            stdin=subprocess.DEVNULL,
            # A worker computes with one thread: more would change sums, and the pool already fills the cores.
            env={**os.environ, **_ONE_THREAD, **named, "PYTHONPATH": search_path},
        )
        theirs.close()
        self.pipe = Connection(ours.detach())
        self.idle = False
        self.busy = False
        self.killed_at_start = False
        self.task: Any = None
        self.running_s = self.limit_s = 0.0

    def give(self, task: Any, limit_s: float) -> None:
        self.task, self.idle, self.busy = task, False, True
        self.running_s, self.limit_s = 0.0, limit_s
        with suppress(BrokenPipeError, ConnectionResetError):  # it died idle: its closed pipe is noticed next
            self.pipe.send(task)

    def receive(self) -> Any | None:
        """What the process sent; None when it is dead."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            return None
        self.idle, self.busy = True, False
        return message

    def is_stopped(self) -> bool:
        """Whether a signal stopped the process, which can go on."""
        try:
            return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:  # it is gone
            return False

    def end(self, *, grace_s: float = 0.0) -> int:
        """Kill the process if it still lives after `grace_s`; its exit status, negative for a signal."""
        self.pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)
        self.process.kill()
        return self.process.wait()
