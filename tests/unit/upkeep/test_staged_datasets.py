"""Status, doctor, verification, backup and pruning of datasets of three stages whose samples share folders."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout, shard_job
from scripts.shared.planning.index_plan import plan_file
from scripts.shared.planning.members import read_members
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.plans import PlanMode
from scripts.shared.worker_process import load_function
from scripts.systems import SYSTEMS, System
from scripts.upkeep import backup, check_configuration, prune, verify
from scripts.upkeep.asking import Upkeep
from scripts.upkeep.backup import DatasetToBackUp, back_up
from scripts.upkeep.dataset_status import StageStatus, StatusReader
from scripts.upkeep.prune_plan import PrunePlan, describe_prune, plan_prune
from scripts.upkeep.request_file import read_request
from scripts.upkeep.verify import DatasetToVerify, StageToVerify, verify_dataset
from tests.snakemake_run import everything
from tests.toy_system import STAGES, StagedToy
from tests.unit.shared.conftest import release
from tests.unit.shared.test_edits_of_a_dataset import in_this_process
from tests.unit.shared.test_shared_folders import KilledError, count_and_kill
from tests.unit.shared.test_stages_in_a_row import NOTHING, groups_in_this_process

KEYS = ["d", "b", "c", "a", "e"]


def _upkeep_in_this_process(function: str, tasks: Iterable[Any], **_: Any) -> Iterator[tuple[Any, Any]]:
    return ((task, load_function(function)(task)) for task in tasks)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_job, "run_tasks", in_this_process)
    monkeypatch.setattr(shard_job, "run_groups", groups_in_this_process)
    monkeypatch.setattr(backup, "run_tasks", _upkeep_in_this_process)
    monkeypatch.setattr(verify, "run_tasks", _upkeep_in_this_process)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[StagedToy]:
    """Five samples, of which one failed in its first stage and one in its second."""
    made = StagedToy(tmp_path / "toy", keys=list(KEYS))
    made.sources.mkdir(parents=True)
    for key in made.keys:
        made.source(key).write_text({"c": "bad c", "e": "spoil e"}.get(key, f"text {key}"))
    made.run_stages()
    release()
    yield made
    release()


def wanted_files(toy: StagedToy, keys: str) -> dict[str, str]:
    return {path: text for key in keys for path, text in toy.expected(key).items()}


def check_pruned(toy: StagedToy, keys: str) -> None:
    """Of all stages just these samples are left, on the disk and on record, and nothing is left to do."""
    made = wanted_files(toy, "".join(key for key in keys if key not in "ce"))
    spoilt = {path: text for path, text in wanted_files(toy, "e").items() if path.startswith("words/")}
    assert toy.found() == made | (spoilt if "e" in keys else {})
    for name in STAGES:
        assert set(toy.rows(name)) == set(keys)
    assert set(read_members(layout.members_file(toy.dataset_dir), []).shard_of) == set(keys)
    assert toy.run_stages() == NOTHING
    release()


def plan_of(toy: StagedToy) -> PrunePlan:
    return plan_prune(toy.stages())[0]


def test_pruning_removes_the_files_and_rows_of_all_stages(toy: StagedToy) -> None:
    toy.keys = ["d", "c", "e"]
    gone = wanted_files(toy, "ab")
    plan, counts = plan_prune(toy.stages())
    assert (plan.label, plan.keys, plan.shared) == ("toy toys", ["a", "b"], list(STAGES))
    assert (counts.n_on_record, counts.n_wanted) == (5, 3)
    assert counts.n_bytes == sum(len(text) for text in gone.values())
    assert "2 of 5 samples on record" in describe_prune(plan, counts, toy.stages()[0], dry=False)[0]
    prune.prune(plan)
    check_pruned(toy, "dce")


def test_pruning_forgets_the_members_once(toy: StagedToy, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten = []
    real = prune.forget_members
    monkeypatch.setattr(prune, "forget_members", lambda path, keys: forgotten.append(set(keys)) or real(path, keys))
    toy.keys = ["d", "c", "e"]
    prune.prune(plan_of(toy))
    assert forgotten == [{"a", "b"}]


def test_what_failed_in_some_stages_is_pruned_from_all(toy: StagedToy) -> None:
    toy.keys = ["d", "b", "a"]
    prune.prune(plan_of(toy))
    check_pruned(toy, "dba")


def test_pruning_that_was_killed_at_any_step_goes_on(toy: StagedToy, tmp_path: Path) -> None:
    def run_killed(here: StagedToy, at: int) -> list[str]:
        shutil.copytree(toy.root, here.root)
        here.keys = ["d", "c", "e"]
        with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
            events = count_and_kill(patch, here.dataset_dir, at)
            prune.prune(plan_of(here))
        return events

    events = run_killed(replace(toy, root=tmp_path / "undisturbed"), -1)
    assert len(events) > 15
    for at in range(0, len(events), 2):
        here = replace(toy, root=tmp_path / f"at{at}")
        run_killed(here, at)
        prune.prune(plan_of(here))
        check_pruned(here, "dce")


def copy(toy: StagedToy) -> tuple[Path, dict[str, Any]]:
    place = toy.root / "backup"
    task = DatasetToBackUp(
        "toy toys", str(toy.dataset_dir), list(STAGES), str(place), str(place / "toy" / "toys"), keep=3
    )
    made = back_up(task, workers=1)
    return Path(made["snapshot"]), made


def restore(snapshot: Path, toy: StagedToy) -> StagedToy:
    restored = replace(toy, dataset="restored")
    subprocess.run(["cp", "-a", str(snapshot), str(restored.dataset_dir)], check=True)
    return restored


def test_a_snapshot_holds_the_files_of_all_stages_and_restored_needs_nothing(
    toy: StagedToy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    snapshot, made = copy(toy)
    assert (made["samples"], made["left_out"], made["busy_shards"]) == (4 + 3 + 3, {}, "")
    assert "10 samples of 3 stages" in caplog.text
    sums = {line[66:] for line in (snapshot / "SHA256SUMS").read_text().splitlines()}
    assert toy.found().keys() <= sums
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=snapshot, check=True)
    restored = restore(snapshot, toy)
    assert restored.found() == toy.found()
    assert [plan_dataset(stage, scratch=None).n_to_make for stage in restored.stages()] == [0, 0, 0]


def test_the_next_snapshot_links_what_no_stage_changed(toy: StagedToy) -> None:
    first, _ = copy(toy)
    toy.marks["frames"] = "!"
    toy.run_stages()
    second, _ = copy(toy)
    same = {path for path in toy.found() if (first / path).stat().st_ino == (second / path).stat().st_ino}
    assert same == {path for path in toy.found() if not path.endswith(".png")}


def test_a_damaged_file_costs_a_snapshot_its_stage_and_no_later_one(toy: StagedToy) -> None:
    path = toy.dataset_dir / "words" / "a.txt"
    path.write_text("x" * path.stat().st_size)
    snapshot, made = copy(toy)
    assert list(made["left_out"]) == ["a"]
    restored = restore(snapshot, toy)
    assert restored.run_stages() == NOTHING | {"words": ["a"]}
    assert restored.found() == toy.found() | {"words/a.txt": "TEXT A"}


def verified(toy: StagedToy) -> dict[str, Any]:
    task = DatasetToVerify(
        label="toy toys",
        system="toy",
        dataset_dir=str(toy.dataset_dir),
        index_plan=str(plan_file(toy.work)),
        stages=[StageToVerify(stage.name, stage.settings, upstream=stage.upstream) for stage in toy.stages()],
        listed="tests.unit.upkeep.toy_hooks:listed",
        sheet="",
        means={},
        read_all=True,
        seed=42,
        own_folders=False,
    )
    report = toy.root / "report.json"
    verify_dataset(task, report=report, figure=None, workers=1)
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def problems(report: dict[str, Any]) -> dict[str, list[str]]:
    return {problem: held["examples"] for problem, held in report["problems"].items()}


def test_a_sound_dataset_is_reported_stage_by_stage(toy: StagedToy) -> None:
    before = everything(toy.dataset_dir)
    report = verified(toy)
    assert (report["problems"], report["remarks"], report["wanted"]) == ({}, {}, 5)
    assert {name: (held["ok"], held["failed"]) for name, held in report["stages"].items()} == {
        "words": (4, 1),
        "pairs": (3, 2),
        "frames": (3, 2),
    }
    assert {name: held["errors"] for name, held in report["stages"].items()} == {
        "words": {"bad_text": 1},
        "pairs": {"spoilt": 1, "upstream": 1},
        "frames": {"upstream": 2},
    }
    assert everything(toy.dataset_dir) == before


@pytest.mark.parametrize("name", STAGES)
def test_damage_in_any_stage_is_found(toy: StagedToy, name: str) -> None:
    path = toy.files_of(name, "a")[0]
    (toy.dataset_dir / path).unlink()
    assert problems(verified(toy)) == {"file_missing": [f"a: {path} is not there"]}


def test_a_stage_that_lacks_a_sample_is_named(toy: StagedToy) -> None:
    shutil.rmtree(layout.ledger_dir(toy.dataset_dir, "pairs"))
    assert problems(verified(toy)) == {"missing": [f"{key}: no row of pairs" for key in sorted(KEYS)]}


def test_what_was_made_from_an_older_file_of_the_stage_before_is_a_problem(toy: StagedToy) -> None:
    toy.marks["words"] = "!"
    toy.run_stages(["words"])
    assert problems(verified(toy)) == {
        "other_source": [f"{key}: words has made another file since" for key in ("a", "b", "d", "e")]
    }
    toy.run_stages()
    assert problems(verified(toy)) == {}


def counts(found: StageStatus) -> tuple[int | None, int, int, int, int]:
    return found.wanted, found.made, found.failed, found.shards, found.complete


def test_the_status_tells_of_each_stage(toy: StagedToy) -> None:
    reader = StatusReader()
    found = [reader.read(stage) for stage in toy.stages()]
    assert [status.label for status in found] == [f"toy toys, {name}" for name in STAGES]
    assert [counts(status) for status in found] == [(5, 4, 1, 3, 3), (5, 3, 2, 3, 3), (5, 3, 2, 3, 3)]


def test_a_stage_that_was_never_planned_says_so_beside_one_that_was(tmp_path: Path) -> None:
    toy = StagedToy(tmp_path, keys=["a", "b"])
    toy.sources.mkdir()
    for key in toy.keys:
        toy.source(key).write_text(key)
    toy.run_stages(["words"])
    words, pairs, _ = (StatusReader().read(stage) for stage in toy.stages())
    assert (counts(words), words.note) == ((2, 2, 0, 1, 1), "")
    assert pairs.wanted is None
    assert "how many are wanted is known when the next run has planned" in pairs.note


def test_samples_count_as_made_until_the_stage_before_has_made_another_file(toy: StagedToy) -> None:
    toy.marks["words"] = "!"
    release()
    plans = {stage.name: plan_dataset(stage, scratch=None) for stage in toy.stages()}
    receipt = layout.receipt_file(toy.work / "pairs", "00000")
    receipt.unlink()  # as Snakemake does before the job
    reader = StatusReader()
    assert counts(reader.read(toy.stage_named("pairs"))) == (5, 3, 2, 3, 2)
    shard = plans["words"].plans["00000"]
    toy.answer_stage("words", shard, layout.receipt_file(toy.work / "words", "00000"))
    assert counts(reader.read(toy.stage_named("pairs"))) == (5, 1, 2, 3, 2)  # b and d are to be made again
    toy.answer_stage("pairs", plans["pairs"].plans["00000"], receipt)
    assert counts(reader.read(toy.stage_named("pairs"))) == (5, 3, 2, 3, 3)


def test_doctor_plans_every_stage_and_writes_nothing(toy: StagedToy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.marks["pairs"] = "!"
    before = everything(toy.root)
    monkeypatch.setattr(check_configuration, "stages_of", lambda _: [("toy toys", list(toy.stages()))])
    found = [str(finding.what) for finding in check_configuration.check_plans({})]
    assert [line for line in found if line.startswith("toy")] == [
        "toy toys, words: 5 samples wanted, 0 to make",
        "toy toys, pairs: 5 samples wanted, 5 to make",
        "toy toys, frames: 5 samples wanted, 0 to make",
    ]
    assert everything(toy.root) == before


def test_requests_of_upkeep_name_the_dataset_and_all_its_stages(
    toy: StagedToy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(SYSTEMS, "toy", System(stages=lambda _config, _dataset: toy.stages()))
    options = {"verify": "cheap", "seed": 1, "backup_dir": str(tmp_path / "b"), "backup_keep": 1, "prune_most": "stop"}
    config = {
        "results_dir": str(toy.root / "results"),
        "work_dir": str(toy.root / "work"),
        "toy": {"datasets": {"toys": options}},
    }
    asked = Upkeep(config, lambda: PlanMode(plans=True, scratch=None, cores=1))
    verification = DatasetToVerify.from_request(read_request(asked.verify_request("toy", "toys")))
    assert verification.label == "toy toys"
    assert [(stage.name, stage.upstream) for stage in verification.stages] == [
        ("words", ""),
        ("pairs", "words"),
        ("frames", "pairs"),
    ]
    copied = DatasetToBackUp(**read_request(asked.backup_request("toy", "toys")))
    assert (copied.label, copied.stages) == ("toy toys", list(STAGES))
    assert PrunePlan(**read_request(asked.prune_request("toy", "toys"))).label == "toy toys"
