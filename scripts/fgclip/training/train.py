"""A training from the outside. Light: torch is its processes'."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.fgclip.training.options import run_options
from scripts.shared.devices import Chosen
from scripts.shared.training.start import start_training

WORKER = "scripts.fgclip.training.worker"


def train(
    settings: Mapping[str, Any],
    *,
    name: str,
    init: Path,
    records: Path,
    run_dir: Path,
    features: Path | None = None,
    gpus: Chosen = "auto",
) -> None:
    """Train a model, or go on with a training that was ended; nothing is done twice.

    Args:
        settings: the run's options, as the configuration has them; others among them are let alone, but for
            `dataset`, which the model is said to be trained on.
        name: of the run.
        init: model folder that it begins with.
        records: `records.json` of the training items, or a subset of it.
        run_dir: of the run. The outcome is `model/`, `run.json`, `train_log.json` and, for epochs that are kept,
            `epochs/<n>/`; what it goes on from lies beside them.
        features: with `finetune: none` the folder of the frames' features; see `frozen`.
        gpus: `gpus` of the configuration; each process has one of its own, where there are any.

    Raises:
        ConfigError: the settings do not go together, or with the model or the records.
        StoppedError: it was asked to end, and has left a checkpoint.
        JobError: a process died, no video can be read, memory ran out, or the loss is no number any more.
    """
    options = run_options(name, settings)
    paths = {"init": init, "records": records, "features": features}
    start_training(WORKER, settings, paths, name=name, run_dir=run_dir, processes=options.processes, gpus=gpus)
