"""Sources that lie in several folders by name: a folder may move, and what changed in one is made again."""

import json
import os
from dataclasses import replace
from pathlib import Path

from scripts.shared.fingerprints import canonical_json
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.sources import source_path
from scripts.shared.planning.stage import SourceEntry, Stage
from scripts.shared.shard_job import run_shard
from tests.toy_system import FUNCTION, VERSIONS, Toy


def test_a_source_lies_in_the_folder_that_it_names_where_there_are_several() -> None:
    assert source_path("dir", {}, "a/b.txt") == "dir/a/b.txt"
    assert source_path("dir", {"a": "/mnt/x"}, "a/b/c.txt") == "/mnt/x/b/c.txt"
    assert source_path(Path(), {"a": "/mnt/x"}, "") == "./"


def of_folders(toy: Toy, folders: dict[str, str]) -> Stage:
    names = sorted(f"{name}/{path.name}" for name, folder in folders.items() for path in Path(folder).iterdir())
    entries = [
        SourceEntry(name.replace("/", "_"), name, canonical_json({"source": name, "note": ""})) for name in names
    ]
    return replace(toy.stage(), read_list=lambda: entries, source_dir=Path(), source_dirs=folders)


def make(stage: Stage) -> int:
    plan = plan_dataset(stage, scratch=None)
    for shard, path in plan.plans.items():
        receipt = stage.stage_work_dir / "receipt" / f"{shard}.json"
        run_shard(path, receipt, function=FUNCTION, versions=VERSIONS, workers=1)
        assert json.loads(receipt.read_text())["failed"] == 0
    return plan.n_to_make


def test_a_folder_that_moved_costs_nothing_and_a_file_that_changed_one_sample(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.txt").write_text(f"text of {name}")
    toy = Toy(tmp_path)
    folders = {"a": f"{tmp_path}/first", "b": f"{tmp_path}/second"}
    assert make(of_folders(toy, folders)) == 2
    os.rename(tmp_path / "second", tmp_path / "elsewhere")
    folders["b"] = f"{tmp_path}/elsewhere"
    assert make(of_folders(toy, folders)) == 0
    (tmp_path / "elsewhere" / "x.txt").write_text("another text")
    assert make(of_folders(toy, folders)) == 1
    assert (toy.dataset_dir / "b_x.txt" / "upper.txt").read_text().startswith("ANOTHER TEXT")
