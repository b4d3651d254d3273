"""A training from the outside. Light: torch is its processes'."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.cnclip.training.options import run_options
from scripts.shared.devices import Chosen
from scripts.shared.training.start import start_training

WORKER = "scripts.cnclip.training.worker"


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
    paths = {"init": init, "lmdb": lmdb, "teacher": teacher}
    start_training(WORKER, settings, paths, name=name, run_dir=run_dir, processes=options.processes, gpus=gpus)
