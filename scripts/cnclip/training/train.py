"""A training from the outside: its settings written down, its processes started. Light: torch is theirs."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.cnclip.training.options import run_options
from scripts.shared import atomic_files
from scripts.shared.devices import Chosen, lease, visible
from scripts.shared.errors import StoppedError
from scripts.shared.stop_request import StopRequest
from scripts.shared.training.launch import run_processes
from scripts.shared.training.run_folder import stop_file

WORKER = "scripts.cnclip.training.worker"
SETTINGS = "settings.json"

log = logging.getLogger(__name__)


def train(
    settings: Mapping[str, Any],
    *,
    name: str,
    init: Path,
    lmdb: Path,
    run_dir: Path,
    teacher: Path | None = None,
    gpus: Chosen = "auto",
) -> None:
    """Train a model, or go on with a training that was ended; nothing is done twice.

    Args:
        settings: the run's options, as the configuration has them; others among them are let alone, but for
            `dataset`, which the model is said to be trained on.
        name: of the run.
        init: model folder that it begins with.
        lmdb: folder of `train/` and `valid/` in the official layout.
        run_dir: of the run; see `docs` for what it holds. The outcome is `model/` and `run.json`.
        teacher: features of the teacher, or with `kd.online` its model folder.
        gpus: `gpus` of the configuration; each process has one of its own, where there are any.

    Raises:
        ConfigError: the settings do not go together, or with the model, the data or the teacher.
        StoppedError: it was asked to end, and has left a checkpoint.
        JobError: a process died, or the loss is no number any more.
    """
    options = run_options(name, settings)
    # A request to stop is meant for whoever trains when it is made; one left over would end the wait for a GPU.
    stop_file(run_dir).unlink(missing_ok=True)
    moment = f"{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}"
    with _gpus(options.processes, gpus, stop_file(run_dir)) as has_gpus:
        plan = {
            "name": name,
            "settings": dict(settings),
            "init": str(init),
            "lmdb": str(lmdb),
            "run_dir": str(run_dir),
            "teacher": None if teacher is None else str(teacher),
            "device": "cuda" if has_gpus else "cpu",
            "moment": moment,
        }
        atomic_files.write_json(run_dir / SETTINGS, plan)
        lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in sorted(settings.items())]
        atomic_files.write_text(run_dir / f"params_{moment}.txt", "\n".join(lines) + "\n")
        run_processes(WORKER, run_dir / SETTINGS, options.processes, label=name)


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
