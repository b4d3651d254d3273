"""Several datasets in one `dataset_info.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.clip4mc.splits import SPLITS, read_splits
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError
from scripts.shared.selection import keyed_hash


def merged_datasets(clip4mc: Mapping[str, Any]) -> list[str]:
    """The datasets that the configuration merges.

    Raises:
        ConfigError: one does not exist, or is to go to two splits.
    """
    merge = clip4mc.get("merge")
    if merge is None:
        return []
    names = [name for split in SPLITS for name in merged_names(merge, split)]
    for name in names:
        if name not in clip4mc["datasets"]:
            known = ", ".join(clip4mc["datasets"])
            raise ConfigError(f"clip4mc.merge: no dataset {name!r}; there are {known}")
        if names.count(name) > 1:
            raise ConfigError(f"clip4mc.merge: {name!r} is named twice; its samples can go to one split only")
    return names


def merge_infos(infos: dict[str, Path], merge: dict[str, Any], *, seed: int, out: Path) -> None:
    """Join the `dataset_info.json` of several datasets into one.

    Args:
        infos: `dataset_info.json` by dataset.
        merge: the datasets under `train`, `val` and `test`, each a name or a list, all of whose samples go there; and
            `val_from_train`, how many training samples, those of smallest hash, go to validation instead.
        seed: of that hash.
        out: the joined file; relative paths in it are relative to its folder.

    Raises:
        JobError: one of them cannot be read, or is no such file.
    """
    lists = {split: [sample for name in merged_names(merge, split) for sample in _samples(infos[name], name)]
             for split in SPLITS}  # fmt: skip
    by_hash = sorted(lists["train"], key=lambda sample: keyed_hash(seed, f"val {Path(sample).name}"))
    moved = set(by_hash[: merge["val_from_train"]])
    lists["val"] += [sample for sample in lists["train"] if sample in moved]
    lists["train"] = [sample for sample in lists["train"] if sample not in moved]
    atomic_files.write_text(out, json.dumps(lists, indent=1) + "\n")


def merged_names(merge: dict[str, Any], split: str) -> list[str]:
    """The datasets that a merge puts in a split."""
    names = merge[split]
    return [names] if isinstance(names, str) else list(names)


def _samples(info: Path, name: str) -> list[str]:
    paths = [sample for samples in read_splits(info).values() for sample in samples]
    return [path if Path(path).is_absolute() else f"{name}/{path}" for path in paths]
