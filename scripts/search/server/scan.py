"""Indexing in the background: the pipeline's own command, one at a time, which ends when the server does."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts.shared import layout
from scripts.shared.errors import PolymillError
from scripts.shared.fingerprints import digest_value
from scripts.shared.ledger import decode_head, list_shards, read_shard
from scripts.shared.planning.made_before import settings_now
from scripts.shared.planning.plan_file import read_outline
from scripts.shared.worker_process import end_with_parent

_LOG = logging.getLogger(__name__)
_COUNT_EVERY_S = 1.0
_ENDS_WITHIN_S = 20.0
_LAST_LINES = 4096  # bytes of the log that are looked at


class Scan:
    """Runs the command that makes the index.

    Args:
        command: as words.
        log: what it says goes there, anew each time.
        stage_work_dir: with the stage's plans and receipts.
        ledger_dir: with the stage's ledgers.
        environment: of the command; None for the server's own.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        stage_work_dir: Path,
        ledger_dir: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command, self._log, self._environment = list(command), log, environment
        self._stage_work_dir, self._ledger_dir = stage_work_dir, ledger_dir
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._started = 0.0
        self._done_at_start = 0
        self._counted: tuple[float, int, int] = (float("-inf"), 0, 0)
        self._last_exit: int | None = None
        self._message = ""

    def start(self) -> bool:
        """Begin, unless it runs already; whether it was begun."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return False
            self._message = ""
            self._started, self._done_at_start = time.monotonic(), self._count()[0]
            started = threading.Event()
            # A thread that lives as long as the process: the kernel ends that with the thread which began it.
            self._thread = threading.Thread(target=self._run, args=(started,), name="scan", daemon=True)
            self._thread.start()
            started.wait(10)
        return True

    def _run(self, started: threading.Event) -> None:
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=None if self._environment is None else dict(self._environment),
                    start_new_session=True,
                    preexec_fn=partial(end_with_parent, os.getpid(), by=signal.SIGTERM),
                )
                started.set()
                self._last_exit = self._process.wait()
        except (OSError, subprocess.SubprocessError) as error:
            self._last_exit, self._message = 1, f"the indexing cannot start: {error}"
        else:
            self._message = "" if self._last_exit == 0 else f"{self._last_words()} (see {self._log})"
        finally:
            self._process = None
            started.set()

    def _last_words(self) -> str:
        """What the command said last that tells of an error."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(os.fstat(log.fileno()).st_size - _LAST_LINES, 0))
                lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        except OSError:
            lines = []
        telling = [line for line in lines if "error" in line.lower() or "Error" in line]
        last = (telling or lines or ["it said nothing"])[-1]
        return f"the indexing ended with status {self._last_exit}: {last[:300]}"

    def status(self) -> dict[str, Any]:
        """How far it is, as the API gives it; without a run, what is indexed of what was planned last."""
        running = self._thread is not None and self._thread.is_alive()
        done, total = self._count()
        made, seconds = done - self._done_at_start, time.monotonic() - self._started
        eta_s = round((total - done) * seconds / made) if running and made > 0 else None
        return {
            "running": running,
            "done": done,
            "total": total,
            "eta_s": eta_s,
            "message": self._message,
            "last_exit": self._last_exit,
        }

    def close(self) -> None:
        """End it: asked first, so that what is in hand is finished, then made to."""
        process, thread = self._process, self._thread
        if process is None or thread is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
            thread.join(_ENDS_WITHIN_S)
            if not thread.is_alive():
                break
        # Its jobs may outlive it by the sample in hand.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def _count(self) -> tuple[int, int]:
        """Assets that are as planned, and those that are wanted; counted now and then."""
        count_again, done, total = self._counted
        started = time.monotonic()
        if started < count_again:
            return done, total
        try:
            done, total = count(self._stage_work_dir, self._ledger_dir)
        except (PolymillError, OSError, ValueError, KeyError) as error:  # being written just now
            _LOG.debug("progress cannot be read: %s", error)
        ended = time.monotonic()
        # A million samples take seconds to count: a tenth of the time at most.
        self._counted = (ended + max(_COUNT_EVERY_S, 9 * (ended - started)), done, total)
        return done, total


def count(stage_work_dir: Path, ledger_dir: Path) -> tuple[int, int]:
    """How many samples were made with the settings of their plan or failed, and how many are planned."""
    done = total = 0
    plans = layout.plan_file(stage_work_dir, "*")
    ledgers = list_shards(ledger_dir)
    for plan in plans.parent.glob(plans.name):
        outline = read_outline(plan)
        if outline is None:
            continue
        header, n_samples = outline
        settings = digest_value(settings_now(header.settings, header.made_before))
        rows = read_shard(ledger_dir, plan.stem, ledgers.get(plan.stem, []), decode=decode_head).rows.values()
        done += min(sum(row.get("settings") == settings for row in rows), n_samples)
        total += n_samples
    return done, total
