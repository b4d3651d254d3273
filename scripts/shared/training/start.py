"""A training from the outside: its settings written down, its GPUs held, its processes started.

Light: torch is theirs.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.devices import Chosen, lease, visible
from scripts.shared.errors import StoppedError
from scripts.shared.stop_request import StopRequest
from scripts.shared.training.launch import run_processes
from scripts.shared.training.run_folder import stop_file

SETTINGS = "settings.json"

log = logging.getLogger(__name__)


def start_training(
    worker: str,
    settings: Mapping[str, Any],
    paths: Mapping[str, Path | None],
    *,
    name: str,
    run_dir: Path,
    processes: int,
    gpus: Chosen,
) -> None:
    """Start the processes of a training, and wait for their end.

    Args:
        worker: module that is one of them; it is told of `settings.json`, which holds `name`, `settings`, `run_dir`,
            the paths, `device` ("cuda" or "cpu") and `moment`.
        settings: the run's options.
        paths: what else it needs, by name.
        name: of the run.
        run_dir: of the run.
        processes: how many.
        gpus: `gpus` of the configuration; each process has one of its own, where there are any.

    Raises:
        PolymillError: see `run_processes`.
    """
    # A request to stop is meant for whoever trains when it is made; one left over would end the wait for a GPU.
    stop_file(run_dir).unlink(missing_ok=True)
    moment = f"{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}"
    with _gpus(processes, gpus, stop_file(run_dir)) as has_gpus:
        plan = {
            "name": name,
            "settings": dict(settings),
            "run_dir": str(run_dir),
            **{key: None if path is None else str(path) for key, path in paths.items()},
            "device": "cuda" if has_gpus else "cpu",
            "moment": moment,
        }
        atomic_files.write_json(run_dir / SETTINGS, plan)
        lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in sorted(settings.items())]
        atomic_files.write_text(run_dir / f"params_{moment}.txt", "\n".join(lines) + "\n")
        run_processes(worker, run_dir / SETTINGS, processes, label=name)


@contextmanager
def _gpus(n: int, chosen: Chosen, stop: Path) -> Iterator[bool]:
    """Hold a GPU for each process; whether there are any."""
    if not visible(chosen):
        log.info("no GPU answers: %d process(es) train on the CPU", n)
        yield False
        return
    with StopRequest(stop) as stopped, lease(n, chosen=chosen, wait=lambda: not stopped()) as held:
        if not held:
            raise StoppedError("asked to end while other jobs had the GPUs; the same command again")
        for device in held:
            log.info("trains on GPU %d (%s)", device.index, device.name)
        yield True
