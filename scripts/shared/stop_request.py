"""Whether a job is asked to end: by `make stop`, or by SIGTERM as schedulers send it."""

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_LOOK_EVERY_S = 1.0


class StopRequest:
    """Tells, when called, whether the job should end after what it has in hand. Never takes the answer back.

    While the context lasts, SIGTERM asks for the end instead of bringing it. `make stop` asks with a file, which
    also reaches jobs on other hosts (on NFS within the minute that a host may keep the absence of a file in mind).

    Args:
        file: asks for the end while it exists.

    Attributes:
        by: who asked, in words; empty while nobody has.
    """

    def __init__(self, file: Path) -> None:
        self.by = ""
        self._file = file
        self._looked = float("-inf")
        self._before: Any = signal.SIG_DFL

    def __enter__(self) -> "StopRequest":
        if _may_handle_signals():
            self._before = signal.signal(signal.SIGTERM, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _may_handle_signals():
            signal.signal(signal.SIGTERM, self._before)

    def __call__(self) -> bool:
        """Whether somebody asked for the end; looks for the file at most once a second."""
        now = time.monotonic()
        if not self.by and now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            if os.path.exists(self._file):
                self.by = "make stop"
        return bool(self.by)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self.by = "SIGTERM"


def _may_handle_signals() -> bool:
    return threading.current_thread() is threading.main_thread()
