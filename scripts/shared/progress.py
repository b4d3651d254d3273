"""One line every ten seconds that says how far a job is."""

import logging
import time
from collections import Counter

_EVERY_S = 10.0


def duration_text(seconds: float) -> str:
    """A time in its largest units: `2 d 3 h`, `3 h 12 min`, `5 min`, `40 s`."""
    minutes = round(seconds / 60)
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


class Progress:
    """Counts samples and logs a line now and then; lines, not bars, because parallel jobs share the terminal.

    Args:
        label: what is being made: `clip4mc train 00042`.
        total: samples to make.
        log: where the lines go.

    Attributes:
        done: samples ended.
        errors: failed samples by error class.
    """

    def __init__(self, label: str, *, total: int, log: logging.Logger) -> None:
        self.label, self.total, self.log = label, total, log
        self.done = 0
        self.errors: Counter[str] = Counter()
        self._started = self._said = time.monotonic()

    def step(self, *, failed: str | None) -> bool:
        """One more sample ended, with the error class where it failed; whether a line was logged."""
        self.done += 1
        if failed is not None:
            self.errors[failed] += 1
        if time.monotonic() - self._said < _EVERY_S:
            return False
        self._said = time.monotonic()
        self._say()
        return True

    def end(self) -> None:
        """Say how it ended."""
        self._say()

    def rate(self) -> dict[str, float]:
        """How far the job is and how fast, as the ledger keeps it; see `ledger`."""
        seconds = time.monotonic() - self._started
        return {
            "made": self.done,
            "failed": self.errors.total(),
            "seconds": round(seconds, 3),
            "at": round(time.time(), 3),
        }

    def _say(self) -> None:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self.done / seconds
        left = f", {duration_text((self.total - self.done) / rate)} left" if 0 < self.done < self.total else ""
        self.log.info(
            "[%s] %d/%d, %d failed, %.2f/s%s",
            self.label, self.done, self.total, self.errors.total(), rate, left,
        )  # fmt: skip
