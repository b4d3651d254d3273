"""The planner: says what must be made, writes only in a real run, and is done when nothing is missing."""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.shared import layout
from scripts.shared.errors import PlanningError
from scripts.shared.ledger import FORMAT, encode_row, list_shards
from scripts.shared.locks import LockFile
from scripts.shared.planning import planner
from scripts.shared.planning.index_plan import read_index_plan
from scripts.shared.planning.members import read_members
from scripts.shared.planning.one_sample import plan_single
from scripts.shared.planning.plan_file import read_plan
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.stage import PlanOptions, SourceEntry, Stage
from tests.snakemake_run import everything
from tests.toy_system import Toy
from tests.unit.shared.conftest import release


def plan(toy: Toy) -> planner.DatasetPlan:
    return plan_dataset(toy.stage(), scratch=None)


def reasons(toy: Toy, scratch: Path) -> dict[str, int]:
    scratch.mkdir(exist_ok=True)
    total: dict[str, int] = {}
    for status in plan_dataset(toy.stage(), scratch=scratch).statuses:
        for reason, count in status.reasons.items():
            total[reason] = total.get(reason, 0) + count
    return total


def test_planning_again_changes_nothing(toy: Toy) -> None:
    toy.run()
    before = everything(toy.root)
    assert plan(toy).n_to_make == 0
    assert everything(toy.root) == before


def test_planning_twice_before_any_job_keeps_the_plans(toy: Toy) -> None:
    plan(toy)
    serials = toy.serial("00000"), toy.serial("00001")
    assert plan(toy).n_to_make == 4
    assert (toy.serial("00000"), toy.serial("00001")) == serials


def test_a_dry_run_writes_nothing_and_shows_each_changed_shard_by_an_empty_file(toy: Toy, tmp_path: Path) -> None:
    before = everything(toy.root)
    scratch = tmp_path / "scratch"
    shown = toy.dry_run(scratch)
    assert shown.n_to_make == 4
    assert {path.parent for path in shown.plans.values()} == {scratch}
    assert all(path.read_bytes() == b"" for path in scratch.iterdir())
    shutil.rmtree(scratch)
    assert everything(toy.root) == before


def test_a_plan_replaced_takes_its_receipt_away_first(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the two, the shard stays due, whatever the clocks say."""
    toy.run()
    toy.source("d").write_text("changed")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(planner, "write_plan", killed)
    with pytest.raises(KeyboardInterrupt):
        plan(toy)
    assert not layout.receipt_file(toy.work / "words", "00000").exists()


def test_every_replaced_plan_has_a_new_serial(toy: Toy) -> None:
    toy.run()
    seen = {toy.serial()}
    for _ in range(3):
        shutil.rmtree(toy.dataset_dir / "d")
        toy.run()
        seen.add(toy.serial())
    assert len(seen) == 4


def test_nanoseconds_of_a_sources_time_count(toy: Toy, tmp_path: Path) -> None:
    os.utime(toy.source("a"), ns=(10**18, 10**18))
    toy.run()
    os.utime(toy.source("a"), ns=(10**18, 10**18 + 1000))
    assert reasons(toy, tmp_path / "scratch") == {"source changed": 1}


def test_the_clock_set_back_is_a_change_like_any_other(toy: Toy, tmp_path: Path) -> None:
    toy.run()
    os.utime(toy.source("a"), ns=(1, 1))
    assert reasons(toy, tmp_path / "scratch") == {"source changed": 1}
    toy.run()
    assert reasons(toy, tmp_path / "scratch") == {}


def test_keys_keep_their_shard_when_the_list_is_turned_round_and_the_size_changes(toy: Toy) -> None:
    toy.run()
    toy.keys = ["new", *reversed(toy.keys)]
    toy.source("new").write_text("text")
    toy.shard_size = 1
    made = plan(toy)
    assert {status.shard: status.reasons.total() for status in made.statuses} == {"00000": 0, "00001": 0, "00002": 1}


def test_what_is_no_longer_wanted_is_counted_and_kept(toy: Toy) -> None:
    toy.run()
    toy.keys.remove("d")
    assert (plan(toy).n_wanted, plan(toy).n_unwanted) == (3, 1)
    assert (toy.dataset_dir / "d" / "upper.txt").exists()


def test_a_shard_of_which_nothing_is_wanted_has_no_plan(toy: Toy) -> None:
    toy.run()
    toy.keys = ["c", "a"]
    assert list(plan(toy).plans) == ["00001"]


def test_an_empty_list_plans_nothing(toy: Toy) -> None:
    toy.keys = []
    made = toy.run()
    assert (made.plans, made.n_to_make, toy.index()) == ({}, 0, {"made": [], "failed": []})


@pytest.mark.parametrize("scratch", [True, False])
def test_sources_that_are_gone_stop_the_planning(toy: Toy, scratch: bool, tmp_path: Path) -> None:
    toy.run()
    toy.sources.rename(toy.root / "away")
    (tmp_path / "scratch").mkdir()
    with pytest.raises(PlanningError, match="4 of 4 source files that were there before cannot be seen now") as caught:
        plan_dataset(toy.stage(), scratch=tmp_path / "scratch" if scratch else None)
    assert "sources_gone=ok" in str(caught.value)
    toy.options = PlanOptions(sources_gone="ok")
    assert plan(toy).n_to_make == 0
    assert sum(status.n_gone for status in plan(toy).statuses) == 4


def test_few_sources_gone_are_no_reason_to_stop(toy: Toy) -> None:
    toy.run()
    toy.source("a").unlink()
    toy.options = PlanOptions(max_failed_fraction=0.25)
    assert plan(toy).n_to_make == 0


def test_a_source_folder_that_never_was_is_named(toy: Toy) -> None:
    shutil.rmtree(toy.sources)
    with pytest.raises(PlanningError, match=r"toy toys: sources is .*sources, which is no folder"):
        plan(toy)
    assert not toy.work.exists()


def test_a_newer_ledger_stops_the_planning_before_it_writes(toy: Toy) -> None:
    toy.run()
    line = encode_row({"format": FORMAT + 1, "made_by": "x", "versions": {}})
    (toy.ledger_dir / "00000.000099-ffffffff.jsonl").write_bytes(line)
    toy.source("c").write_text("changed")
    before = everything(toy.work)
    with pytest.raises(PlanningError, match="newer version"):
        plan(toy)
    assert everything(toy.work) == before


def test_another_run_on_the_dataset_stops_the_planning(toy: Toy) -> None:
    lock = LockFile(toy.state / "run.lock")
    lock.acquire(wait=False)
    with pytest.raises(PlanningError, match=rf"another run \(pid {os.getpid()} on .*\) works on .*wait for it or stop"):
        plan(toy)
    assert not (toy.state / "members").exists()
    lock.release()
    assert plan(toy).n_to_make == 4


def test_many_attempts_are_compacted_and_say_the_same(toy: Toy, tmp_path: Path) -> None:
    toy.run()
    for number in range(6):
        toy.source("d").write_text(f"text {number}")
        toy.run()
    assert len(list_shards(toy.ledger_dir)["00000"]) <= 5
    assert reasons(toy, tmp_path / "scratch") == {}
    assert toy.index()["made"] == toy.keys


def test_a_shard_that_is_worked_on_is_not_compacted(toy: Toy) -> None:
    toy.run()
    path = list_shards(toy.ledger_dir)["00000"][0]
    path.write_bytes(path.read_bytes() + b"torn")
    lock = LockFile(layout.shard_lock(toy.dataset_dir, "words", "00000"))
    lock.acquire(wait=False)
    plan(toy)
    assert path.exists()
    lock.release()
    plan(toy)
    assert not path.exists()


def test_a_disk_that_refuses_is_an_error_with_the_place(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PlanningError, match=r"toy toys: .*results/toy/toys: No space left on device; make room"):
        plan(toy)
    monkeypatch.undo()
    toy.run()
    assert toy.index()["made"] == toy.keys


def test_a_dataset_elsewhere_is_linked_into_the_results(toy: Toy) -> None:
    link, disk = toy.root / "results" / "toy" / "link", toy.root / "disk" / "deep"
    stage = toy.stage(link=link, dataset_dir=disk)
    plan_dataset(stage, scratch=None)
    assert link.resolve() == disk.resolve()
    release()
    other = toy.root / "other"
    plan_dataset(toy.stage(link=link, dataset_dir=other), scratch=None)
    assert link.resolve() == other.resolve()


def test_samples_where_the_link_belongs_are_not_hidden(toy: Toy) -> None:
    toy.run()
    with pytest.raises(PlanningError, match="holds samples already: move that folder there"):
        plan_dataset(toy.stage(link=toy.dataset_dir, dataset_dir=toy.root / "disk"), scratch=None)
    assert (toy.dataset_dir / "a").is_dir()


def test_members_put_in_two_shards_by_damage_are_listed_from_their_own(toy: Toy) -> None:
    """A sample made in another shard after `members` and its ledger disagreed: the old row must not speak."""
    toy.source("c").write_text("bad")
    toy.run()
    assert toy.index()["failed"] == ["c"]
    release()
    path = toy.state / "members"
    moved = read_members(path, [])
    moved.shard_of["c"] = 0  # its row, of a failure, stands in shard 1, which is read later
    moved.damaged = 1
    planner.save_members(path, moved)
    toy.source("c").write_text("good")
    toy.run()
    assert toy.index() == {"made": ["d", "b", "c", "a"], "failed": []}


def test_one_sample_is_planned_by_its_key(toy: Toy, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    shown = plan_single(toy.stage(), "c", scratch=tmp_path / "scratch", inner=False)
    assert (shown.current, shown.path.parent.parent) == (False, tmp_path / "scratch")
    single = plan_single(toy.stage(), "c", scratch=None, inner=False)
    assert plan_single(toy.stage(), "c", scratch=None, inner=True).path == single.path
    toy.plans = planner.DatasetPlan({"c": single.path}, single.path, [], 1, 0)  # type: ignore[attr-defined]
    toy.answer(toy.plans, "c")  # type: ignore[attr-defined]
    assert plan_single(toy.stage(), "c", scratch=None, inner=False).current
    assert plan(toy).n_to_make == 3


def test_one_sample_made_again_by_its_key_makes_its_shards_receipt_due(toy: Toy) -> None:
    toy.run()
    shutil.rmtree(toy.dataset_dir / "c")
    plan_single(toy.stage(), "c", scratch=None, inner=False)
    assert not layout.receipt_file(toy.work / "words", "00001").exists()


def test_a_failed_sample_asked_for_by_its_key_is_tried_again(toy: Toy) -> None:
    toy.source("c").write_text("bad")
    toy.run()
    assert not plan_single(toy.stage(), "c", scratch=None, inner=False).current


def test_a_key_that_is_not_in_the_list_is_refused(toy: Toy) -> None:
    with pytest.raises(PlanningError, match="nobody is not among the 4 samples of its list"):
        plan_single(toy.stage(), "nobody", scratch=None, inner=False)


def test_keys_with_odd_characters_are_made_listed_and_found(tmp_path: Path) -> None:
    toy = Toy(tmp_path, keys=["two words", "é", "{brace}", "a'quote\"", "-n", "%s", "x" * 200, "# 1 00000000"])
    toy.sources.mkdir()
    for key in toy.keys:
        toy.source(key).write_text("text")
    toy.run()
    assert toy.index()["made"] == toy.keys
    assert plan(toy).n_to_make == 0
    release()


def test_remarks_on_the_list_are_asked_for_after_it_was_read_and_are_notes(toy: Toy, tmp_path: Path) -> None:
    said: list[str] = []
    stage = toy.stage()
    listed = stage.read_list

    def read_list() -> Iterator[SourceEntry]:
        yield from listed()
        said.append("two are alike")

    planned = plan_dataset(replace(stage, read_list=read_list, remarks=lambda: said), scratch=tmp_path)
    assert planned.notes == ["two are alike"]


def test_the_link_of_a_folder_in_a_dataset_names_the_dataset(toy: Toy, tmp_path: Path) -> None:
    link = tmp_path / "shown"
    stage = toy.stage(dataset_dir=toy.dataset_dir / "part", link=link, link_to=toy.dataset_dir)
    plan_dataset(stage, scratch=None)
    assert link.readlink() == toy.dataset_dir
    assert (link / "part" / ".state").is_dir()


def test_what_only_a_real_run_with_samples_to_make_can_decide_is_asked_there_alone(toy: Toy, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def decide(stage: Stage, entries: Iterable[SourceEntry]) -> Stage:
        asked.append([entry.key for entry in entries])
        return replace(stage, means={"with": "care"}, index={"kind": "decided"})

    assert plan_dataset(toy.stage(decide=decide), scratch=tmp_path).means == {}
    assert asked == []
    planned = plan_dataset(toy.stage(decide=decide), scratch=None)
    assert asked == [toy.keys]
    assert planned.means == {"with": "care"}
    assert {read_plan(path)[0].means["with"] for path in planned.plans.values()} == {"care"}
    assert read_index_plan(planned.index_plan).settings == {"kind": "decided"}
    for shard in toy.due(planned):
        toy.answer(planned, shard)
    plan_dataset(toy.stage(decide=decide), scratch=None)
    assert len(asked) == 1
