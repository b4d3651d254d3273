"""Stages whose samples are made with a file that a rule makes first, and stages for a part of a dataset's keys."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.shared import layout, shard_job
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.ledger import list_shards, read_shard
from scripts.shared.planning.index_plan import plan_file, read_index_plan
from scripts.shared.planning.made_before import settings_now
from scripts.shared.planning.planner import DatasetPlan, plan_dataset
from scripts.shared.planning.report import describe
from scripts.shared.planning.stage import Stage
from scripts.shared.shard_job import run_shard
from scripts.upkeep import verify
from scripts.upkeep.verify import DatasetToVerify, StageToVerify, verify_dataset
from tests.toy_system import VERSIONS, StagedToy
from tests.unit.shared.conftest import release
from tests.unit.shared.test_edits_of_a_dataset import in_this_process
from tests.unit.upkeep.test_staged_datasets import _upkeep_in_this_process as upkeep_in_this_process

PART = ["a", "b"]


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StagedToy]:
    monkeypatch.setattr(shard_job, "run_tasks", in_this_process)
    monkeypatch.setattr(verify, "run_tasks", upkeep_in_this_process)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = StagedToy(tmp_path / "toy", keys=["d", "b", "c", "a", "e"])
    made.sources.mkdir(parents=True)
    for key in made.keys:
        made.source(key).write_text(f"text {key}")
    yield made
    release()


def with_model(toy: StagedToy, model: Path) -> Stage:
    """Words of some keys, made with a model."""
    return replace(
        toy.stage_named("words"),
        name="words.tiny",
        work_dir=toy.work / "tiny",
        made_before={"model": str(model)},
        part=True,
        choose=lambda keys: [number for number, key in enumerate(keys) if key in PART],
        index={"kind": "part"},
    )


def answer(stage: Stage, plan: DatasetPlan) -> None:
    for shard, path in plan.plans.items():
        receipt = layout.receipt_file(stage.stage_work_dir, shard)
        run_shard(path, receipt, function="tests.toy_system:make_word", versions=VERSIONS, workers=1)


def settings_on_record(stage: Stage) -> dict[str, str]:
    ledgers = list_shards(stage.ledger_dir)
    return {key: row["settings"] for shard in ledgers for key, row in read_shard(stage.ledger_dir, shard).rows.items()}


def test_samples_are_made_again_when_the_model_is_another_one_and_not_when_it_is_the_same_again(
    toy: StagedToy, tmp_path: Path
) -> None:
    model = tmp_path / "polymill.json"
    stage = with_model(toy, model)
    before_training = plan_dataset(stage, scratch=None)
    assert before_training.n_to_make == 2
    model.write_text("trained")  # by a rule, between planning and the stage's jobs
    answer(stage, before_training)
    first = settings_on_record(stage)
    planned_again = plan_dataset(stage, scratch=None)
    assert planned_again.n_to_make == 0
    assert planned_again.plans == before_training.plans

    model.write_text("trained")
    assert plan_dataset(stage, scratch=None).n_to_make == 0
    model.write_text("another")
    assert plan_dataset(stage, scratch=None).statuses[0].reasons["settings changed"] > 0
    answer(stage, planned_again)  # also by an old plan, where the model was made again in the same run
    assert settings_on_record(stage).keys() == first.keys()
    assert set(settings_on_record(stage).values()).isdisjoint(first.values())


def test_a_file_that_is_not_there_yet_is_none(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x")
    files = {"one": str(tmp_path / "there"), "other": str(tmp_path / "absent")}
    assert settings_now({"a": 1}, files) == {"a": 1, "one": digest_bytes(b"x"), "other": None}


def test_a_part_speaks_of_its_own_keys_alone(toy: StagedToy, tmp_path: Path) -> None:
    whole = toy.stage_named("words")
    answer(whole, plan_dataset(whole, scratch=None))
    stage = with_model(toy, tmp_path / "polymill.json")
    plan = plan_dataset(stage, scratch=None)
    assert plan.n_unwanted == 0
    assert not any("no longer wanted" in line for line in describe(plan, stage, cores=1))
    assert read_index_plan(plan_file(stage.work_dir)).keys == ("b", "a")


def test_verification_misses_of_a_part_what_it_wants_and_nothing_else(toy: StagedToy, tmp_path: Path) -> None:
    whole, stage = replace(toy.stage_named("words"), index={"kind": "toy"}), with_model(toy, tmp_path / "polymill.json")
    answer(whole, plan_dataset(whole, scratch=None))
    plan_dataset(stage, scratch=None)
    task = DatasetToVerify(
        label="toy",
        system="toy",
        dataset_dir=str(toy.dataset_dir),
        index_plan=str(plan_file(whole.work_dir)),
        stages=[
            StageToVerify("words", whole.settings),
            StageToVerify(
                stage.name, settings_now(stage.settings, stage.made_before), index_plan=str(plan_file(stage.work_dir))
            ),
        ],
        listed="",
        sheet="",
        means={},
        read_all=False,
        seed=1,
        own_folders=False,
    )
    verify_dataset(task, report=tmp_path / "report.json", figure=None, workers=1)
    problems = json.loads((tmp_path / "report.json").read_text())["problems"]
    assert list(problems) == ["missing"]
    assert problems["missing"]["count"] == 2
