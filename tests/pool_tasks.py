"""What workers are told to do in the tests of the pool: each task is a tuple, its first member the deed."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.shared.devices import held_locks
from scripts.shared.errors import JobError, SampleError


def act(task: tuple[Any, ...]) -> Any:
    deed, *rest = task
    return _DEEDS[deed](*rest)


def act_together(tasks: list[tuple[Any, ...]]) -> list[Any]:
    """As `act`, of some tasks at once; a `SampleError` that is to be returned ends none of the others."""
    return [SampleError("spoilt", "not this one") if task[0] == "spoilt" else act(task) for task in tasks]


def _pid(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def _hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(1000)


def _hang_deaf(path: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _hang(path)


def _stand_still(path: str) -> str:
    Path(path).write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)
    return "went on"


def _told_to_end() -> str:
    os.kill(os.getpid(), signal.SIGTERM)
    return "ended its work"


def _raise(error: Exception) -> None:
    raise error


def _print() -> str:
    sys.stdout.write("a library talks\n")
    return "talked"


_DEEDS: dict[str, Callable[..., Any]] = {
    "return": lambda value: value,
    "pid": _pid,
    "killed": lambda *_: os.kill(os.getpid(), signal.SIGKILL),
    "segfault": lambda: ctypes.string_at(0),
    "exit": os._exit,
    "hang": _hang,
    "hang deaf": _hang_deaf,
    "stand still": _stand_still,
    "told to end": _told_to_end,
    "raise": _raise,
    "job error": lambda: _raise(JobError("the disk is full")),
    "sample error": lambda: _raise(SampleError("no_video", "no picture in it")),
    "print": _print,
    "gpu locks": lambda: len(held_locks()[0]),
    "unpicklable": lambda: lambda: None,
}


def sleep_and_count(task: tuple[str, int]) -> int:
    """Work for about a second of running time, seen by the file that grows."""
    name, number = task
    for _ in range(10):
        time.sleep(0.1)
        with Path(name).open("a") as file:
            file.write(".")
    return number
