"""How far a training is, in a small file that `make status` reads."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.shared import atomic_files

_EVERY_S = 5.0


@dataclass(frozen=True)
class ProgressSeen:
    """What the file says.

    Attributes:
        epoch: the one in hand, from 1 on.
        epochs: of the whole training.
        step: steps taken.
        steps: of the whole training.
        loss: of the last step, or None where it is not finite.
        lr: learning rate of the last step.
        eta_s: seconds that the rest will take; None where nothing is known yet.
        at: when this was written, as Unix time.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None
    lr: float
    eta_s: float | None
    at: float


class TrainingProgress:
    """Writes the file, at most every few seconds.

    Args:
        path: of the file.
        epochs: of the whole training.
        steps: of the whole training.
        done: steps taken before this attempt: they tell nothing of its speed.
        every_s: seconds between two writes.
        clock: seconds from any beginning.
    """

    def __init__(
        self,
        path: Path,
        *,
        epochs: int,
        steps: int,
        done: int,
        every_s: float = _EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._epochs, self._steps, self._done = path, epochs, steps, done
        self._every_s, self._clock = every_s, clock
        self._began = clock()
        self._written = -every_s

    def step(self, *, epoch: int, step: int, loss: float, lr: float) -> bool:
        """A step was taken; returns whether the file was written.

        Args:
            epoch: the one in hand, from 1 on.
            step: steps taken so far, with this one.
            loss: of this step.
            lr: of this step.
        """
        now = self._clock()
        if now - self._written < self._every_s and step < self._steps:
            return False
        self._written = now
        taken = step - self._done
        eta_s = (now - self._began) / taken * (self._steps - step) if taken > 0 else None
        seen = ProgressSeen(
            epoch=epoch,
            epochs=self._epochs,
            step=step,
            steps=self._steps,
            loss=loss if abs(loss) < float("inf") else None,  # neither does NaN
            lr=lr,
            eta_s=None if eta_s is None else round(eta_s, 1),
            at=round(time.time(), 3),
        )
        atomic_files.write_json(self._path, asdict(seen))
        return True


def read_progress(path: Path) -> ProgressSeen | None:
    """What the file says; None where there is none that can be read."""
    try:
        return ProgressSeen(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
