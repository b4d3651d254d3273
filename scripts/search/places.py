"""Where the search's files lie. Light: the Snakefile and the server import it.

A name may also be a wildcard, such as `{dataset}`: then the place is the pattern of a rule.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.shared.dataset_dir import dataset_dir

DATABASE = "assets.db"
USER_DATABASE = "user.db"  # what users write by the page; the server's own
FAILURES, SUMMARY = "failures.csv", "summary.json"
VECTORS = "vectors"
VECTOR_SUFFIX = ".npz"


def results(config: Mapping[str, Any]) -> Path:
    """The folder of all that the system makes, but for datasets with an `output_dir`."""
    return Path(config["results_dir"], "search")


def dataset_folder(config: Mapping[str, Any], dataset: str) -> Path:
    """The folder of a dataset's results.

    Raises:
        ConfigError: there is no such dataset, or its folder is another's.
    """
    return dataset_dir(config, "search", dataset)


def database_file(config: Mapping[str, Any], dataset: str) -> Path:
    """The index of a dataset, which the rule `search_index` replaces whole.

    Raises:
        ConfigError: see `dataset_folder`.
    """
    return dataset_folder(config, dataset) / DATABASE


def user_database_file(config: Mapping[str, Any], dataset: str) -> Path:
    """What users wrote of a dataset's assets; no rule touches it.

    Raises:
        ConfigError: see `dataset_folder`.
    """
    return dataset_folder(config, dataset) / USER_DATABASE


def vector_file(key: str) -> str:
    """Where the vectors of an asset lie below its dataset's folder."""
    return f"{VECTORS}/{key}{VECTOR_SUFFIX}"


def asset_file(folders: Mapping[str, str], key: str) -> Path:
    """The file of an asset: its path by the configured folder that its key begins with.

    Raises:
        KeyError: the key names no configured folder.
    """
    name, _, inner = key.partition("/")
    return Path(folders[name], inner)
