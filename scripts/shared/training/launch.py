"""Starting the processes of a training, ending them together, and saying what went wrong in one of them.

Sets the variables that torchrun sets, so that a worker also runs under torchrun itself, over several machines. Own
lines, because torchrun kills 30 s after SIGTERM, in the middle of a large checkpoint, and turns every exit status
into 1. The processes find each other by a file and talk over the loopback device alone.
"""

import json
import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.shared import atomic_files
from scripts.shared.devices import held_locks, keep_locks
from scripts.shared.errors import ConfigError, JobError, PolymillError, StoppedError
from scripts.shared.stop_request import StopRequest
from scripts.shared.worker_process import end_with_parent

_ROOT = Path(__file__).resolve().parents[3]  # where a worker finds this package, whatever folder one runs in
_LOOK_EVERY_S = 0.05
_LINES_SHOWN = 30
RENDEZVOUS = "POLYMILL_RENDEZVOUS"  # how the processes find each other; torchrun has its own way
_LAST_WORDS_S = 5.0  # after one has failed, so long may the others say why they could not go on
_LAST_WORD, _PARENT = "POLYMILL_LAST_WORD", "POLYMILL_PARENT"
_ERRORS: dict[str, type[PolymillError]] = {kind.__name__: kind for kind in (ConfigError, JobError, StoppedError)}

log = logging.getLogger(__name__)


class _Worker(NamedTuple):
    """A process of the training: its number, where it leaves word why it ended, the last lines that it wrote."""

    rank: int
    process: "subprocess.Popen[bytes]"
    last_word: Path
    lines: deque[str]
    reader: threading.Thread


def run_processes(module: str, settings: Path, n: int, *, label: str) -> None:
    """Run `python -m MODULE SETTINGS` in n processes on this machine, until all have ended.

    What they write to stderr goes to the log. SIGTERM is handed on: they end after the step in hand. Where one dies,
    all end at once: there is nothing that the others could go on with, and checkpoints are whole or absent.

    Args:
        module: calls `worker_main`.
        settings: a file that it reads.
        n: how many processes.
        label: the run in words, for the log and errors.

    Raises:
        StoppedError: they were asked to end.
        PolymillError: one of them met it.
        JobError: one of them died, with the last that it said.
    """
    with (
        tempfile.TemporaryDirectory(prefix="polymill-training-") as folder,
        StopRequest(Path(folder) / "no-stop-file") as stop,  # the processes look for their run's
    ):
        workers: list[_Worker] = []
        try:
            workers.extend(_start(module, settings, rank, n, Path(folder)) for rank in range(n))
            ended = _wait(workers, stop)
        finally:
            for worker in workers:
                worker.process.kill()  # one that has ended is past hearing it
                worker.process.wait()
                worker.reader.join(_LAST_WORDS_S)
        _raise_cause(ended, n, label, asked=stop())


def _start(module: str, settings: Path, rank: int, n: int, folder: Path) -> _Worker:
    last_word = folder / f"last-word.{rank}.json"
    locks, named = held_locks()
    environment = {
        **os.environ,
        **named,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(n),
        "LOCAL_WORLD_SIZE": str(n),
        RENDEZVOUS: f"file://{folder / 'rendezvous'}",
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])),
        _LAST_WORD: str(last_word),
        _PARENT: str(os.getpid()),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(settings)],
        env=environment,
        pass_fds=locks,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines: deque[str] = deque(maxlen=_LINES_SHOWN)
    before = f"process {rank}: " if n > 1 else ""
    reader = threading.Thread(target=_read, args=(process, lines, before), daemon=True)
    reader.start()
    return _Worker(rank, process, last_word, lines, reader)


def _read(process: "subprocess.Popen[bytes]", lines: deque[str], before: str) -> None:
    for line in process.stdout or ():
        text = line.decode(errors="replace").rstrip()
        lines.append(text)
        log.info("%s%s", before, text)


def _wait(workers: Sequence[_Worker], stop: StopRequest) -> list[_Worker]:
    """Wait until all have ended, or one has failed and the others had their time; returns those that ended."""
    told, give_up = False, math.inf
    # A list: each of them is to be asked.
    while None in [worker.process.poll() for worker in workers] and time.monotonic() < give_up:
        if stop() and not told:
            told = True
            for worker in workers:
                worker.process.terminate()
        if any(worker.process.returncode not in (None, 0, StoppedError.exit_status) for worker in workers):
            give_up = min(give_up, time.monotonic() + _LAST_WORDS_S)
        time.sleep(_LOOK_EVERY_S)
    return [worker for worker in workers if worker.process.returncode is not None]


def _raise_cause(ended: Sequence[_Worker], n: int, label: str, *, asked: bool) -> None:
    """Raise what ended the training: the cause, not what the others met because of it."""
    failed = [worker for worker in ended if worker.process.returncode not in (0, StoppedError.exit_status)]
    stopped = [worker for worker in ended if worker.process.returncode == StoppedError.exit_status]
    if not failed and not stopped:
        return
    said = {worker.rank: _last_word(worker) for worker in failed or stopped}
    # One that was killed says nothing; the others then say that they lost it.
    first = min(failed or stopped, key=lambda worker: said[worker.rank].at)
    code = first.process.returncode
    if asked and code == -signal.SIGTERM:
        raise StoppedError(f"[{label}] asked to end before the first step; the same command goes on")
    if kind := _ERRORS.get(said[first.rank].kind):
        raise kind(said[first.rank].text)
    how = f"was ended by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"ended with exit status {code}"
    hint = "; was the memory full?" if code == -signal.SIGKILL else ""
    lines = "\n".join(first.lines)
    raise JobError(f"[{label}] process {first.rank} of {n} {how}{hint}. The last that it said:\n{lines}")


class _LastWord(NamedTuple):
    """Why a process ended, as it says itself; at the beginning of time where it says nothing."""

    at: float = -math.inf
    kind: str = ""
    text: str = ""


def _last_word(worker: _Worker) -> _LastWord:
    try:
        return _LastWord(**json.loads(worker.last_word.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return _LastWord()


def worker_main(train: Callable[[Path], None]) -> None:
    """What a process that `run_processes` starts does: train, and leave word why where it cannot.

    Args:
        train: takes the settings file.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    keep_locks()
    if parent := os.environ.get(_PARENT):
        end_with_parent(int(parent), by=signal.SIGTERM)  # so that an orphan ends too, with a checkpoint
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        train(Path(sys.argv[1]))
    except PolymillError as error:
        _leave_word(type(error).__name__, str(error))
        sys.exit(error.exit_status)
    except Exception as error:
        _leave_word(type(error).__name__, str(error))
        raise


def _leave_word(kind: str, text: str) -> None:
    if path := os.environ.get(_LAST_WORD):
        atomic_files.write_json(Path(path), {"at": time.time(), "kind": kind, "text": text})
    elif kind in _ERRORS:
        log.error("%s", text)
