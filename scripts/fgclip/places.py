"""Where the anomaly detector's files lie. Light: the Snakefile imports it.

A name may also be a wildcard, such as `{run}`: then the place is the pattern of a rule.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.fgclip.runs import EPOCH, INIT
from scripts.fgclip.scoring.prompts import DEFAULT as PROMPTS
from scripts.shared.dataset_dir import dataset_dir
from scripts.shared.errors import ConfigError

_RUNS = "runs"


def results(config: Mapping[str, Any]) -> Path:
    """The folder of all that the system makes, but for datasets with an `output_dir`."""
    return Path(config["results_dir"], "fgclip")


def data_folder(config: Mapping[str, Any], dataset: str) -> Path:
    """The folder of a dataset's results.

    Raises:
        ConfigError: there is no such dataset, or its folder is another's.
    """
    if dataset == _RUNS and _RUNS in config["fgclip"]["datasets"]:
        raise ConfigError(f"fgclip.datasets: {_RUNS!r} is the folder of the trainings; give the dataset another name")
    return dataset_dir(config, "fgclip", dataset)


def run_folder(config: Mapping[str, Any], run: str) -> Path:
    """The folder of one training."""
    return results(config) / _RUNS / run


def run_folders(config: Mapping[str, Any]) -> dict[str, Path]:
    """The folder of every training of the configuration, by name."""
    return {run: run_folder(config, run) for run in config["fgclip"]["runs"]}


def model_folder(config: Mapping[str, Any], form: str) -> Path:
    """Where a model lies or will lie; see `runs` for the forms."""
    run, _, kind = form.partition(".")
    folder = run_folder(config, run)
    if kind.startswith(EPOCH):
        return folder / "epochs" / kind.removeprefix(EPOCH)
    return folder / (INIT if kind == INIT else "model")


def prompts_file(config: Mapping[str, Any], dataset: str) -> Path:
    """The sentences that a dataset's frames are compared with: the user's, else the system's own."""
    return Path(config["fgclip"]["datasets"][dataset].get("prompts", PROMPTS))
