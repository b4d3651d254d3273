"""One worker process of `worker_pool`: takes tasks from its own pipe until the pipe closes."""

import ctypes
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from scripts.shared.devices import keep_locks
from scripts.shared.disk_errors import OF_THE_MACHINE, disk_words
from scripts.shared.errors import ConfigError, JobError, SampleError

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int, *, by: signal.Signals = signal.SIGKILL) -> None:
    """Ask the kernel to send this process a signal when the job dies, so that no orphan decodes on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
    if os.getppid() != parent_pid:
        sys.exit(0)


def load_function(name: str) -> Callable[..., Any]:
    """The function that `module:name` names.

    Raises:
        ImportError: there is no such module, or it needs a package that is missing.
    """
    module, _, attribute = name.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return function


def _answer(function: Callable[[Any], Any], task: Any) -> tuple[str, Any]:
    try:
        result = function(task)
        for part in result if isinstance(result, list) else ():
            if stopped := _of_the_machine(getattr(part, "__cause__", None)):
                return stopped
        return "done", result
    except SampleError as error:
        return _of_the_machine(error.__cause__) or ("failed", error)
    except MemoryError:
        return "failed", SampleError("out_of_memory", "the worker ran out of memory; use fewer workers")
    except (JobError, ConfigError, ImportError) as error:
        return "stop", error  # none of them is this sample's fault
    except Exception as error:  # noqa: BLE001 - a defect met on one sample must not cost the other 299,999
        if stopped := _of_the_machine(error):
            return stopped
        traceback.print_exc()
        text = f"{type(error).__name__}: {error} (a defect of Polymill: the traceback is in the job's output)"
        return "failed", SampleError("internal_error", text)


def _of_the_machine(error: BaseException | None) -> tuple[str, JobError] | None:
    """The end of the job where its mount, or the machine, refused a file: no sample's fault, nor one to be recorded."""
    if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
        return "stop", JobError(disk_words(error, Path("a source file")))
    return None


def main() -> None:
    """Serve tasks: arguments are the number of the pipe, the parent's pid, and the function as `module:name`."""
    descriptor, parent_pid, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)  # the parent decides what Ctrl-C, or a scheduler's word, means
    end_with_parent(parent_pid)
    keep_locks()
    pipe = Connection(descriptor)
    try:
        function = load_function(name)
    except ImportError as error:
        pipe.send(("stop", error))
        return
    pipe.send(("ready", None))
    while True:
        try:
            task = pipe.recv()
            pipe.send(_answer(function, task))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


if __name__ == "__main__":
    main()
