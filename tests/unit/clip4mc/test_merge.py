import json
from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc.merge import merge_infos, merged_datasets
from scripts.shared.errors import ConfigError

PLAIN = {"train": [], "val": [], "test": [], "val_from_train": 0}


def info(tmp_path: Path, name: str, **lists: list[str]) -> Path:
    path = tmp_path / name / "dataset_info.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"train": [], "val": [], "test": []} | lists))
    return path


def merged(tmp_path: Path, **merge: Any) -> dict[str, list[str]]:
    infos = {
        "big": info(tmp_path, "big", train=[f"/r/big/s{number}" for number in range(10)]),
        "small": info(tmp_path, "small", test=["s0", "s1"]),
    }
    out = tmp_path / "dataset_info.json"
    merge_infos(infos, PLAIN | merge, seed=42, out=out)
    result: dict[str, list[str]] = json.loads(out.read_text())
    return result


def test_datasets_are_joined_by_split_and_relative_paths_gain_their_dataset(tmp_path: Path) -> None:
    lists = merged(tmp_path, train="big", test=["small"])
    assert lists["train"] == [f"/r/big/s{number}" for number in range(10)]
    assert lists["test"] == ["small/s0", "small/s1"]
    assert lists["val"] == []


def test_validation_can_be_taken_from_training(tmp_path: Path) -> None:
    lists = merged(tmp_path, train="big", test="small", val_from_train=3)
    assert len(lists["val"]) == 3
    assert sorted(lists["train"] + lists["val"]) == [f"/r/big/s{number}" for number in range(10)]


def test_a_merge_names_datasets_that_exist_and_each_once() -> None:
    datasets = {"a": {}, "b": {}}
    assert merged_datasets({"datasets": datasets, "merge": PLAIN | {"train": "a", "test": ["b"]}}) == ["a", "b"]
    assert merged_datasets({"datasets": datasets}) == []
    with pytest.raises(ConfigError, match="no dataset 'c'; there are a, b"):
        merged_datasets({"datasets": datasets, "merge": PLAIN | {"train": "c"}})
    with pytest.raises(ConfigError, match="'a' is named twice"):
        merged_datasets({"datasets": datasets, "merge": PLAIN | {"train": "a", "val": "a"}})
