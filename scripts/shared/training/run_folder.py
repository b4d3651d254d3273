"""Where things lie in the folder of one training run, and how the run keeps others off it.

Snakemake removes a job's declared outputs before the job starts again. So checkpoints, `metrics.jsonl`,
`attempts.json`, `progress.json`, `tensorboard/` and the lock are never declared: a training goes on from them.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.shared.errors import StoppedError
from scripts.shared.locks import LockFile

_LOOK_EVERY_S = 0.5

log = logging.getLogger(__name__)


def checkpoints_dir(run_dir: Path) -> Path:
    """What the training goes on from."""
    return run_dir / "checkpoints"


def model_dir(run_dir: Path) -> Path:
    """The outcome."""
    return run_dir / "model"


def metrics_file(run_dir: Path) -> Path:
    """A row for each thing measured; see `metrics_log`."""
    return run_dir / "metrics.jsonl"


def progress_file(run_dir: Path) -> Path:
    """How far the training is; see `progress_file`."""
    return run_dir / "progress.json"


def attempts_file(run_dir: Path) -> Path:
    """When the training began and went on; see `run_record`."""
    return run_dir / "attempts.json"


def record_file(run_dir: Path) -> Path:
    """What the training took, written at its end; see `run_record`."""
    return run_dir / "run.json"


def stop_file(run_dir: Path) -> Path:
    """While it exists, the training ends after the step in hand and a checkpoint."""
    return run_dir / ".stop"


def lock_file(run_dir: Path) -> Path:
    """Held by the process that writes into the run folder."""
    return run_dir / ".lock"


@contextmanager
def run_held(run_dir: Path, *, label: str, stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Be the only one who trains in a folder, while the context lasts.

    One left over from a run that was killed has it for as long as its last checkpoint takes. A request to stop is
    meant for whoever trains when it is made: one found at the beginning is taken away.

    Args:
        run_dir: the run's folder; it is made.
        label: the run in words, for the log.
        stop: asked while another has the folder: whether to wait no more.

    Raises:
        StoppedError: `stop` said so.
        OSError: the lock file cannot be made.
    """
    lock = LockFile(lock_file(run_dir))
    if not lock.acquire(wait=False):
        log.info("[%s] waits for %s, which trains in %s", label, lock.holder(), run_dir)
        while not lock.acquire(wait=False):
            if stop():
                raise StoppedError(
                    f"[{label}] asked to end while it waited for {lock.holder()}; the same command again"
                )
            time.sleep(_LOOK_EVERY_S)
    if not lock.supported:
        log.warning("[%s] this file system has no locks: do not start the same run twice", label)
    try:
        stop_file(run_dir).unlink(missing_ok=True)
        yield
    finally:
        lock.release()
