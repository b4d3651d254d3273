"""Stages that work on what the stage before made: each change costs what it touches, and nothing is made twice."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout, shard_job
from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import UNSEEN, canonical_json
from scripts.shared.ledger import LedgerWriter, encode_row, list_shards
from scripts.shared.planning.index_plan import plan_file, read_index_plan
from scripts.shared.planning.one_sample import plan_single
from scripts.shared.planning.plan_file import read_header, read_plan
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.plans import PlanMode, Plans
from scripts.shared.planning.stage import PlanOptions, SourceEntry, Stage
from scripts.shared.worker_process import load_function
from tests.snakemake_run import everything
from tests.toy_system import STAGES, StagedToy
from tests.unit.shared.conftest import release
from tests.unit.shared.test_edits_of_a_dataset import in_this_process

KEYS = ["d", "b", "c", "a", "e"]
NOTHING: dict[str, list[str]] = {name: [] for name in STAGES}


def groups_in_this_process(function: str, groups: Sequence[list[Any]], **_: Any) -> Iterator[tuple[Any, Any]]:
    """What `run_groups` promises, without processes."""
    for group in groups:
        yield from zip(group, load_function(function)(group), strict=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work without worker processes and without waiting for the disk."""
    monkeypatch.setattr(shard_job, "run_tasks", in_this_process)
    monkeypatch.setattr(shard_job, "run_groups", groups_in_this_process)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def toy(tmp_path: Path, quick: None) -> Iterator[StagedToy]:
    """Five samples in three shards."""
    made = StagedToy(tmp_path / "toy", keys=list(KEYS))
    made.sources.mkdir(parents=True)
    for key in made.keys:
        made.source(key).write_text(f"text {key}")
    yield made
    release()


def check_whole(toy: StagedToy) -> None:
    """Every file is there and right, nothing else is, and nothing is left to do."""
    wanted: dict[str, str] = {}
    for key in toy.keys:
        wanted |= toy.expected(key)
    assert toy.found() == wanted
    assert toy.run_stages() == NOTHING


def statuses(toy: StagedToy, name: str) -> dict[str, str]:
    return {key: row.get("error", row["status"]) for key, row in toy.rows(name).items()}


def forget_ledger(toy: StagedToy, name: str) -> None:
    shutil.rmtree(layout.ledger_dir(toy.dataset_dir, name))


def append(toy: StagedToy, name: str, *rows: dict[str, Any]) -> None:
    path = list_shards(layout.ledger_dir(toy.dataset_dir, name))["00000"][-1]
    with path.open("ab") as file:
        file.writelines(map(encode_row, rows))


def test_a_first_run_makes_every_stage_and_the_next_one_nothing(toy: StagedToy) -> None:
    assert toy.run_stages() == {name: sorted(KEYS) for name in STAGES}
    check_whole(toy)
    before = everything(toy.root)
    for stage in toy.stages():
        assert plan_dataset(stage, scratch=None).n_to_make == 0
    assert everything(toy.root) == before
    assert toy.index()["made"] == KEYS


def test_a_dry_first_run_misses_no_folder_of_an_earlier_stage_and_makes_none(toy: StagedToy, tmp_path: Path) -> None:
    for stage in toy.stages():
        assert plan_dataset(stage, scratch=tmp_path).n_to_make == 5
    assert not toy.dataset_dir.exists()


def without_source(toy: StagedToy) -> Stage:
    """The first stage where the list holds all that a sample is made of."""
    (toy.root / "one.txt").write_text("one for all")
    entries = [
        SourceEntry(entry.key, "", canonical_json({"files": toy.files_of("words", entry.key)}))
        for entry in toy.stage_named("words").read_list()
    ]
    # An empty name below it is the file itself; so the worker has something to read.
    return replace(toy.stage_named("words"), read_list=lambda: entries, source_dir=toy.root / "one.txt")


def test_samples_that_are_made_of_the_list_alone_need_no_folder_of_sources_and_stay_current(toy: StagedToy) -> None:
    stage = without_source(toy)
    plan = plan_dataset(stage, scratch=None)
    assert {sample.stat for path in plan.plans.values() for sample in read_plan(path)[1]} == {(0, 0)}
    for shard, path in plan.plans.items():
        toy.answer_stage("words", path, layout.receipt_file(toy.work / "words", shard))
    assert {tuple(row["source"]) for row in toy.rows("words").values()} == {(0, 0)}
    assert plan_dataset(without_source(toy), scratch=None).n_to_make == 0


def test_a_changed_source_is_followed_through_all_stages(toy: StagedToy) -> None:
    toy.run_stages()
    toy.source("c").write_text("other c")
    assert toy.run_stages() == {name: ["c"] for name in STAGES}
    check_whole(toy)


@pytest.mark.parametrize(("changed", "made"), [("words", STAGES), ("pairs", STAGES[1:]), ("frames", STAGES[2:])])
def test_a_setting_costs_its_stage_and_those_behind_it(toy: StagedToy, changed: str, made: Sequence[str]) -> None:
    toy.run_stages()
    toy.marks[changed] = "!"
    assert toy.run_stages() == {name: sorted(KEYS) if name in made else [] for name in STAGES}
    check_whole(toy)


@pytest.mark.parametrize("changed", STAGES)
def test_a_stage_that_makes_the_same_bytes_again_costs_no_stage_behind_it(toy: StagedToy, changed: str) -> None:
    toy.run_stages()
    toy.formats[changed] = 2
    assert toy.run_stages() == NOTHING | {changed: sorted(KEYS)}
    check_whole(toy)


@pytest.mark.parametrize("name", STAGES)
def test_a_file_that_was_deleted_is_made_again_and_no_other(toy: StagedToy, name: str) -> None:
    toy.run_stages()
    (toy.dataset_dir / toy.files_of(name, "b")[-1]).unlink()
    assert toy.run_stages() == NOTHING | {name: ["b"]}
    check_whole(toy)


def test_a_stage_that_ran_alone_is_followed_by_the_others_in_the_next_run(toy: StagedToy) -> None:
    toy.run_stages(["words"])
    assert toy.run_stages() == {"words": [], "pairs": sorted(KEYS), "frames": sorted(KEYS)}
    toy.marks["words"] = "!"
    assert toy.run_stages(["words"]) == {"words": sorted(KEYS)}
    plan = plan_dataset(toy.stage_named("pairs"), scratch=None)
    assert [dict(status.reasons) for status in plan.statuses] == [{"source changed": 2}] * 2 + [{"source changed": 1}]
    assert toy.run_stages() == {"words": [], "pairs": sorted(KEYS), "frames": sorted(KEYS)}
    check_whole(toy)


def test_a_longer_list_costs_what_is_new_in_every_stage(toy: StagedToy) -> None:
    toy.run_stages()
    toy.keys.insert(0, "new")
    toy.source("new").write_text("text new")
    assert toy.run_stages() == {name: ["new"] for name in STAGES}
    check_whole(toy)


def test_a_failure_is_on_record_in_all_stages_behind_it(toy: StagedToy) -> None:
    toy.run_stages()
    toy.source("c").write_text("bad c")
    assert toy.run_stages() == {name: ["c"] for name in STAGES}
    assert [toy.rows(name)["c"]["error"] for name in STAGES] == ["bad_text", "upstream", "upstream"]
    assert [toy.rows(name)["c"]["message"] for name in STAGES[1:]] == ["words: bad_text: bad c is bad"] * 2
    assert toy.index()["failed"] == ["c"]
    assert not [path for path in toy.found() if "c." in path]
    assert toy.run_stages() == NOTHING


def test_a_failure_of_the_second_stage_is_named_in_the_third_alone(toy: StagedToy) -> None:
    toy.source("c").write_text("spoil c")
    toy.run_stages()
    assert [statuses(toy, name)["c"] for name in STAGES] == ["ok", "spoilt", "upstream"]
    assert toy.rows("frames")["c"]["message"] == "pairs: spoilt: the word is spoilt"
    assert toy.run_stages() == NOTHING


def test_what_was_mended_is_made_in_all_stages(toy: StagedToy) -> None:
    toy.source("c").write_text("bad c")
    toy.run_stages()
    toy.source("c").write_text("good c")
    assert toy.run_stages() == {name: ["c"] for name in STAGES}
    check_whole(toy)


def test_another_failure_is_taken_note_of_in_all_stages(toy: StagedToy) -> None:
    toy.source("c").write_text("bad c")
    toy.run_stages()
    toy.source("c").write_text("bad in another way")
    assert toy.run_stages() == {name: ["c"] for name in STAGES}
    assert toy.rows("frames")["c"]["message"] == "words: bad_text: bad in another way is bad"


def test_failures_that_are_tried_again_reach_the_stages_behind(toy: StagedToy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.source("c").write_text("spoil c")
    toy.run_stages()
    monkeypatch.setattr("tests.toy_system.SPOILT", "nothing")  # what was wrong was not in the source
    assert toy.run_stages() == NOTHING
    toy.options = PlanOptions(retry_failed=["spoilt"])
    assert toy.run_stages() == {"words": [], "pairs": ["c"], "frames": ["c"]}
    check_whole(toy)


def test_a_sample_that_the_list_rules_out_is_tried_once_in_each_stage(toy: StagedToy) -> None:
    toy.ruled_out = {"c"}
    toy.run_stages()
    assert [statuses(toy, name)["c"] for name in STAGES] == ["ruled_out"] * 3
    assert toy.run_stages() == NOTHING


def test_samples_that_failed_before_end_no_later_job(toy: StagedToy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_job, "_HOPELESS_AFTER", 3)
    toy.shard_size = 5
    toy.run_stages(["words"])
    failed = {"status": "failed", "error": "late", "message": "m", "settings": "", "entry": "", "source": [0, 0]}
    append(toy, "words", *({"key": key, **failed, "plan": "", "made_by": ""} for key in "abcd"))
    stage = toy.stage_named("pairs")
    plan = plan_dataset(stage, scratch=None)
    toy.answer_stage("pairs", plan.plans["00000"], layout.receipt_file(toy.work / "pairs", "00000"))
    assert statuses(toy, "pairs") == dict.fromkeys("abcd", "upstream") | {"e": "ok"}


def test_a_lost_ledger_of_an_earlier_stage_costs_that_stage_alone(toy: StagedToy) -> None:
    toy.run_stages()
    forget_ledger(toy, "words")
    release()
    for name in STAGES[1:]:
        plan = plan_dataset(toy.stage_named(name), scratch=None)  # and is not stopped: "sources gone"
        assert (plan.n_to_make, sum(status.n_gone for status in plan.statuses)) == (0, 0)
    assert toy.run_stages() == NOTHING | {"words": sorted(KEYS)}
    check_whole(toy)


@pytest.mark.parametrize("status", ["making", "lost"])
def test_an_interrupted_sample_of_an_earlier_stage_makes_no_later_one_stale(toy: StagedToy, status: str) -> None:
    toy.run_stages()
    if status == "making":
        append(toy, "words", {"key": "d", "status": "making", "files": ["words/d.txt"]})
    else:
        forget_ledger(toy, "words")
    plan = plan_dataset(toy.stage_named("pairs"), scratch=None)
    assert plan.n_to_make == 0
    layout.receipt_file(toy.work / "pairs", "00000").unlink()
    before = toy.rows("pairs")
    toy.answer_stage("pairs", plan.plans["00000"], layout.receipt_file(toy.work / "pairs", "00000"))
    assert toy.rows("pairs") == before


def test_a_sample_that_the_earlier_stage_never_made_is_tried_again_as_soon_as_it_is(toy: StagedToy) -> None:
    assert toy.run_stages(["pairs"]) == {"pairs": sorted(KEYS)}
    assert set(statuses(toy, "pairs").values()) == {"upstream"}
    assert {tuple(row["source"]) for row in toy.rows("pairs").values()} == {UNSEEN}
    assert toy.rows("pairs")["a"]["message"] == "words: has not made it yet; the next run tries again"
    assert toy.run_stages() == {name: sorted(KEYS) for name in STAGES}
    check_whole(toy)


def test_a_file_of_an_earlier_stage_that_is_gone_when_it_is_needed_is_a_failure_that_mends_itself(
    toy: StagedToy,
) -> None:
    toy.run_stages(["words"])
    (toy.dataset_dir / "words" / "d.txt").unlink()
    assert statuses_after_job(toy) == {"b": "ok", "d": "no_source"}
    assert tuple(toy.rows("pairs")["d"]["source"]) == UNSEEN
    toy.run_stages()
    check_whole(toy)


def statuses_after_job(toy: StagedToy) -> dict[str, str]:
    plan = plan_dataset(toy.stage_named("pairs"), scratch=None)
    toy.answer_stage("pairs", plan.plans["00000"], layout.receipt_file(toy.work / "pairs", "00000"))
    return statuses(toy, "pairs")


def test_the_source_is_looked_up_when_the_job_starts_and_not_in_the_plan(toy: StagedToy) -> None:
    plan = plan_dataset(toy.stage_named("pairs"), scratch=None)
    header, samples = read_plan(plan.plans["00000"])
    assert (header.upstream, {sample.stat for sample in samples}) == ("words", {UNSEEN})
    toy.run_stages(["words"])
    assert statuses_after_job(toy) == {"b": "ok", "d": "ok"}
    assert plan_dataset(toy.stage_named("pairs"), scratch=None).plans == plan.plans
    assert read_header(plan.plans["00000"]) == header


def test_a_copied_tree_is_compared_by_digest_whatever_the_fingerprint_of_the_users_files(toy: StagedToy) -> None:
    toy.run_stages()
    toy.options = PlanOptions(fingerprint="size")
    toy.marks["words"] = "!"
    toy.run_stages(["words"])
    toy.marks["words"] = "?"  # of one size
    toy.run_stages()
    toy.marks["words"] = "!"
    toy.run_stages(["words"])
    assert plan_dataset(toy.stage_named("pairs"), scratch=None).n_to_make == 5


def test_a_dataset_that_was_copied_elsewhere_needs_nothing(toy: StagedToy) -> None:
    toy.run_stages()
    release()
    there = replace(toy, dataset="copy")
    shutil.copytree(toy.dataset_dir, there.dataset_dir, copy_function=shutil.copyfile)
    assert [plan_dataset(stage, scratch=None).n_to_make for stage in there.stages()] == [0, 0, 0]


def test_only_the_last_stage_settles_the_index_and_its_shards_serve_all(toy: StagedToy, tmp_path: Path) -> None:
    toy.run_stages(["words", "pairs"])
    index = plan_file(toy.work)
    assert not index.exists()
    toy.run_stages()
    assert (read_index_plan(index).stage, read_index_plan(index).shards) == ("frames", ("00000", "00001", "00002"))
    before = index.read_bytes()
    job = Plans(lambda: PlanMode(plans=False, scratch=None, cores=1))
    user = Plans(lambda: PlanMode(plans=True, scratch=tmp_path, cores=1))
    for stage in toy.stages():
        assert job.shards(stage) == user.shards(stage) == ["00000", "00001", "00002"]
        assert job.index(stage) == user.index(stage) == index
    assert index.read_bytes() == before


def test_single_samples_of_all_stages_have_plans_of_their_own(toy: StagedToy) -> None:
    paths = []
    for stage in toy.stages():
        single = plan_single(stage, "c", scratch=None, inner=False)
        assert not single.current
        assert plan_single(stage, "c", scratch=None, inner=True).path == single.path
        paths.append(single.path)
    assert len(set(paths)) == 3
    for name, path in zip(STAGES, paths, strict=True):
        toy.answer_stage(name, path, None)
    assert toy.found() == toy.expected("c")
    assert all(plan_single(stage, "c", scratch=None, inner=False).current for stage in toy.stages())
    others = sorted(set(KEYS) - {"c"})
    assert toy.run_stages() == {name: others for name in STAGES}
    check_whole(toy)


def test_dry_runs_of_single_samples_of_two_stages_have_stand_ins_of_their_own(toy: StagedToy, tmp_path: Path) -> None:
    paths = {plan_single(stage, "c", scratch=tmp_path, inner=False).path for stage in toy.stages()}
    assert len(paths) == 3
    assert not toy.work.exists()


def test_a_single_sample_whose_earlier_stage_failed_says_why(toy: StagedToy) -> None:
    toy.source("c").write_text("bad c")
    toy.run_stages(["words"])
    single = plan_single(toy.stage_named("pairs"), "c", scratch=None, inner=False)
    with pytest.raises(JobError, match="c cannot be made: upstream: words: bad_text: bad c is bad"):
        toy.answer_stage("pairs", single.path, None)


def test_a_job_of_groups_that_was_ended_goes_on_with_what_is_missing(
    toy: StagedToy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.shard_size = 5
    toy.run_stages(["words"])
    plan = plan_dataset(toy.stage_named("pairs"), scratch=None)
    receipt = layout.receipt_file(toy.work / "pairs", "00000")
    seen: list[str] = []

    def killed(*arguments: Any, **named: Any) -> Iterator[tuple[Any, Any]]:
        for task, result in groups_in_this_process(*arguments, **named):
            if len(seen) == 2:
                raise KeyboardInterrupt
            seen.append(task.key)
            yield task, result

    with monkeypatch.context() as patch:
        patch.setattr(shard_job, "run_groups", killed)
        with pytest.raises(KeyboardInterrupt):
            toy.answer_stage("pairs", plan.plans["00000"], receipt)
    assert sorted(toy.rows("pairs")) == seen == ["a", "b"]
    assert not receipt.exists()
    toy.run_stages()
    check_whole(toy)


def test_the_means_may_say_how_many_work(toy: StagedToy, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counted(*arguments: Any, workers: int, **named: Any) -> Iterator[tuple[Any, Any]]:
        asked.append(workers)
        return in_this_process(*arguments, **named)

    monkeypatch.setattr(shard_job, "run_tasks", counted)
    for mark, means in (("", {}), ("!", {"workers": 1})):
        toy.marks["words"] = mark
        plan = plan_dataset(replace(toy.stage_named("words"), means=means), scratch=None)
        toy.answer_stage("words", plan.plans["00000"], layout.receipt_file(toy.work / "words", "00000"), workers=7)
    assert asked == [7, 1]


def test_an_old_plan_without_the_name_of_an_earlier_stage_is_one_without_any(toy: StagedToy) -> None:
    plan = plan_dataset(toy.stage_named("words"), scratch=None)
    path = plan.plans["00000"]
    assert b"upstream" not in path.read_bytes()
    header = read_header(path)
    assert header is not None
    assert header.upstream == ""


def test_the_ledger_of_a_stage_is_not_mixed_with_that_of_another(toy: StagedToy) -> None:
    toy.run_stages()
    writer = LedgerWriter(layout.ledger_dir(toy.dataset_dir, "pairs"), "00000", {})
    writer.append({"key": "d", "status": "making", "files": ["pairs/d.txt"]})
    writer.close()
    assert toy.run_stages() == NOTHING | {"pairs": ["d"]}


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StagedToy]:
    """Eight words, made with worker processes; the pairs are to follow, in groups of four."""
    toy = StagedToy(tmp_path / "toy", keys=list("abcdefgh"), shard_size=8)
    toy.sources.mkdir(parents=True)
    for key in toy.keys:
        toy.source(key).write_text(f"text {key}")
    with monkeypatch.context() as patch:
        patch.setattr(shard_job, "run_tasks", in_this_process)
        toy.run_stages(["words"])
    yield toy
    release()


@pytest.mark.parametrize(
    ("word", "error"),
    [("kill", "worker_died"), ("hang", "timeout"), ("raise", "internal_error"), ("spoil", "spoilt")],
)
def test_a_sample_that_its_group_does_not_survive_fails_alone(many: StagedToy, word: str, error: str) -> None:
    path = many.dataset_dir / "words" / "b.txt"
    path.write_text(f"{word} b".upper())
    stage = replace(many.stage_named("pairs"), sample_timeout_s=1.0)
    plan = plan_dataset(stage, scratch=None)
    many.answer_stage("pairs", plan.plans["00000"], layout.receipt_file(many.work / "pairs", "00000"), workers=1)
    assert statuses(many, "pairs") == dict.fromkeys("abcdefgh", "ok") | {"b": error}
    for key in "acdefgh":
        assert (many.dataset_dir / "pairs" / f"{key}.txt").read_text() == f"TEXT {key.upper()}" * 2
    assert not (many.dataset_dir / "pairs" / "b.txt").exists()


def test_a_sample_error_needs_no_worker(toy: StagedToy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that is missing failed before, no GPU is waited for."""
    for key in toy.keys:
        toy.source(key).write_text("bad")
    toy.run_stages(["words"])

    def equip(*_: Any) -> Any:
        raise SampleError("x", "asked for a GPU")

    plan = plan_dataset(toy.stage_named("pairs"), scratch=None)
    toy.answer_stage("pairs", plan.plans["00000"], layout.receipt_file(toy.work / "pairs", "00000"), equip=equip)
    assert set(statuses(toy, "pairs").values()) == {"upstream"}
