"""What a training took: `attempts.json` while it lasts, `run.json` at its end. Timings stand nowhere else."""

import hashlib
import json
import resource
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from scripts.shared import atomic_files
from scripts.shared.training.run_folder import attempts_file, model_dir, record_file

_EVERY_S = 20.0


class PeakMemory(NamedTuple):
    """The most memory that this process held, in bytes; 0 on the GPU where it has none."""

    host_bytes: int
    gpu_bytes: int


def peak_memory() -> PeakMemory:
    """Of this process, since it began."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    torch = sys.modules.get("torch")
    gpu = torch.cuda.max_memory_allocated() if torch is not None and torch.cuda.is_initialized() else 0
    return PeakMemory(host, gpu)


class Attempts:
    """The attempts at one training, each with what it took so far: a kill loses the last seconds of it.

    Args:
        run_dir: the run's folder.
        identity: of the training; attempts at another one are forgotten.
        from_step: steps taken before this attempt.
        device: name of the device.
        clock: seconds from any beginning.
    """

    def __init__(
        self, run_dir: Path, *, identity: str, from_step: int, device: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = attempts_file(run_dir)
        self._earlier = [seen for seen in read_attempts(self._path) if from_step and seen["identity"] == identity]
        self._clock, self._began, self._written = clock, clock(), float("-inf")
        self._now = {
            "identity": identity,
            "began": round(time.time(), 3),
            "host": socket.gethostname(),
            "device": device,
            "from_step": from_step,
        }
        self.step(from_step)

    def step(self, step: int, *, peak: PeakMemory | None = None, last: bool = False) -> None:
        """So many steps were taken; written at most every 20 s, and when it is the last.

        Args:
            step: steps taken.
            peak: memory of all processes; that of this one where it is not given.
            last: the attempt ends.
        """
        now = self._clock()
        if not last and now - self._written < _EVERY_S:
            return
        self._written = now
        held = peak or peak_memory()
        self._now |= {
            "to_step": step,
            "time_s": round(now - self._began, 3),
            "peak_host_bytes": held.host_bytes,
            "peak_gpu_bytes": held.gpu_bytes,
        }
        atomic_files.write_json(self._path, self.all)

    @property
    def all(self) -> list[dict[str, Any]]:
        """The attempts, the first one first."""
        return [*self._earlier, self._now]


def read_attempts(path: Path) -> list[dict[str, Any]]:
    """What the file holds; nothing where there is none that can be read."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return [attempt for attempt in held if "identity" in attempt]
    except (OSError, ValueError, TypeError):
        return []


def model_sums(run_dir: Path) -> dict[str, str]:
    """The SHA-256 of each file of a run's model, by its path in the model's folder; of none where there is no model.

    Hidden files belong to Snakemake.
    """
    folder = model_dir(run_dir)
    sums = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            with path.open("rb") as file:
                sums[str(name)] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def write_record(run_dir: Path, attempts: Attempts, facts: Mapping[str, Any]) -> Path:
    """Write `run.json`, when the model is there: its files are recorded in `model_files`, each with its SHA-256.

    Args:
        run_dir: the run's folder.
        attempts: with the one that ends now.
        facts: what else it says: `steps`, `final_loss`, `best_epoch`, `settings`, `versions`, `model_sha256`, ...
    """
    history = [{name: value for name, value in seen.items() if name != "identity"} for seen in attempts.all]
    record = {
        **facts,
        "identity": attempts.all[-1]["identity"],
        "device": attempts.all[-1]["device"],
        "time_s": round(sum(seen["time_s"] for seen in history), 3),
        "peak_host_bytes": max(seen["peak_host_bytes"] for seen in history),
        "peak_gpu_bytes": max(seen["peak_gpu_bytes"] for seen in history),
        "attempts": history,
        "model_files": model_sums(run_dir),
    }
    path = record_file(run_dir)
    atomic_files.write_json(path, record)
    return path
