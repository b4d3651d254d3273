"""How far each training run is, from the small files in its folder. Nothing is written."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scripts.shared.errors import PolymillError
from scripts.shared.locks import LockFile
from scripts.shared.training import run_folder
from scripts.shared.training.progress_file import ProgressSeen, read_progress
from scripts.shared.training.run_record import read_attempts
from scripts.systems import SYSTEMS
from scripts.upkeep.dataset_status import is_stopped

State = Literal["never begun", "not running", "running", "paused", "complete", "not known"]
_FRESH_S = 60.0


@dataclass(frozen=True)
class RunStatus:
    """How far one training run is.

    Attributes:
        label: the run in words: `cnclip run kl`.
        folder: the run's; None where the configuration does not tell.
        state: what it does.
        progress: how far it is; None where it has not taken a step.
        time_s: how long all attempts together took so far.
        note: what else the user should know; empty where nothing.
    """

    label: str
    folder: Path | None
    state: State
    progress: ProgressSeen | None = None
    time_s: float = 0.0
    note: str = ""


def runs_of(system: str, config: Mapping[str, Any]) -> Mapping[str, Path]:
    """The folder of each training run of a system, by its name.

    Raises:
        ConfigError: its configuration is wrong.
    """
    runs = SYSTEMS[system].runs
    return runs(config) if runs else {}


def all_runs(config: Mapping[str, Any]) -> Iterator[tuple[str, Path | str]]:
    """Yield each training run in words, and its folder; or what is wrong with its system's configuration."""
    for system in SYSTEMS:
        try:
            for run, folder in runs_of(system, config).items():
                yield f"{system} run {run}", folder
        except PolymillError as error:
            yield f"{system} runs", str(error)


def has_begun(folder: Path) -> bool:
    """Whether a run has something that its training left."""
    return run_folder.attempts_file(folder).exists() or run_folder.record_file(folder).exists()


def read_runs(config: Mapping[str, Any], *, now: float) -> list[RunStatus]:
    """The status of every training run of a configuration.

    Args:
        config: the whole configuration.
        now: Unix time.
    """
    return [
        RunStatus(label, None, "not known", note=folder) if isinstance(folder, str) else _read(label, folder, now)
        for label, folder in all_runs(config)
    ]


def _read(label: str, folder: Path, now: float) -> RunStatus:
    progress = read_progress(run_folder.progress_file(folder))
    time_s = sum(seen.get("time_s", 0.0) for seen in read_attempts(run_folder.attempts_file(folder)))
    return RunStatus(label, folder, _state(folder, progress, now), progress, time_s)


def _state(folder: Path, progress: ProgressSeen | None, now: float) -> State:
    lock = LockFile(run_folder.lock_file(folder))
    held, holder = lock.is_held(), lock.last_holder()
    here = holder is not None and holder.host == socket.gethostname()
    if held:
        return "paused" if holder and here and is_stopped(holder.pid) else "running"
    # The lock of another host may not be seen from here.
    if progress and now - progress.at < _FRESH_S and progress.step < progress.steps and not (held is False and here):
        return "running"
    if run_folder.record_file(folder).exists():
        return "complete"
    return "not running" if has_begun(folder) else "never begun"
