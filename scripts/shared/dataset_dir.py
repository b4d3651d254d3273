"""Where a dataset's results lie."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.shared.errors import ConfigError


def dataset_dir(config: Mapping[str, Any], system: str, name: str) -> Path:
    """The folder of a dataset's results.

    Args:
        config: the whole configuration, as `load_config` gives it.
        system: name of the system.
        name: name of the dataset.

    Raises:
        ConfigError: the system has no such dataset, or another dataset has the same folder, or one around it or in it:
            they would take each other's samples for their own.
    """
    datasets = config[system]["datasets"]
    if name not in datasets:
        raise ConfigError(f"{system}: no dataset {name!r}; there are {', '.join(datasets) or 'none'}")
    folder = _chosen(config, system, name)
    mine = _real(folder)
    for other_system, options in config.items():
        if not isinstance(options, Mapping):
            continue
        for other in options.get("datasets", ()):
            if (other_system, other) == (system, name):
                continue
            theirs = _real(_chosen(config, other_system, other))
            if mine.is_relative_to(theirs) or theirs.is_relative_to(mine):
                also = other if other_system == system else f"{other_system}.{other}"
                raise ConfigError(
                    f"{system}.datasets: {name} and {also} would both lie in {min(mine, theirs)}; give each an "
                    "output_dir of its own"
                )
    return folder


def dataset_link(config: Mapping[str, Any], system: str, name: str) -> Path | None:
    """Where a link to the folder belongs, when the user chose one outside the results."""
    link = Path(config["results_dir"], system, name)
    return link if _chosen(config, system, name).absolute() != link.absolute() else None


def put_link(link: Path, target: Path) -> None:
    """Make a link in the results to a folder that lies elsewhere, in place of one to another folder.

    Raises:
        OSError: something that is no link is there, or the disk refuses.
    """
    target = target.absolute()
    if link.is_symlink():
        if Path(os.readlink(link)) == target:
            return
        link.unlink()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def _chosen(config: Mapping[str, Any], system: str, name: str) -> Path:
    chosen = config[system]["datasets"][name].get("output_dir")
    return Path(chosen) if chosen else Path(config["results_dir"], system, name)


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))  # which, unlike Path.resolve, takes a circle of links as it is
