"""How far a dataset is: counted from its records alone, right at any moment, and without leaving a trace."""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout, shard_job
from scripts.shared.errors import ConfigError, SampleError
from scripts.shared.ledger import FORMAT, LedgerWriter, encode_row, list_shards
from scripts.shared.locks import LockFile
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.stage import PlanOptions
from scripts.systems import System
from scripts.upkeep import dataset_status
from scripts.upkeep.dataset_status import StageStatus, StatusReader, current_rate
from tests.snakemake_run import everything
from tests.toy_system import SharedToy, Toy, make_sample
from tests.unit.shared.conftest import release

Edit = Callable[[Toy], None]


@pytest.fixture(autouse=True)
def _without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make samples in this process: what is tested here is how they are counted."""

    def run_tasks(_: str, tasks: list[Any], **_options: Any) -> Iterator[tuple[Any, Any]]:
        for task in tasks:
            try:
                yield task, make_sample(task)
            except SampleError as error:
                yield task, error

    monkeypatch.setattr(shard_job, "run_tasks", run_tasks)


def status(toy: Toy) -> StageStatus:
    return StatusReader().read(toy.stage())


def counts(found: StageStatus) -> tuple[int | None, int, int, int | None]:
    return found.wanted, found.made, found.failed, found.left


def plan_again(toy: Toy) -> int:
    release()
    return plan_dataset(toy.stage(), scratch=None).n_to_make


def interrupt_after(toy: Toy, n_samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin shard 00000 and kill its job when so many samples are recorded."""
    real, seen = shard_job.run_tasks, []

    def run_tasks(*arguments: Any, **named: Any) -> Any:
        for task, result in real(*arguments, **named):
            if len(seen) == n_samples:
                raise KeyboardInterrupt
            seen.append(task)
            yield task, result

    with monkeypatch.context() as patch:
        patch.setattr(shard_job, "run_tasks", run_tasks)
        with pytest.raises(KeyboardInterrupt):
            toy.answer(plan_dataset(toy.stage(), scratch=None), "00000", workers=1)


def test_a_finished_dataset_is_complete(toy: Toy) -> None:
    toy.source("c").write_text("bad text")
    toy.run()
    found = status(toy)
    assert counts(found) == (4, 3, 1, 0)
    assert (found.shards, found.complete, found.running, found.rate, found.note) == (2, 2, (), None, "")
    assert found.label == "toy toys, words"


def test_an_interrupted_shard_counts_by_its_ledger(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.shard_size = 3
    interrupt_after(toy, 2, monkeypatch)
    found = status(toy)
    assert counts(found) == (4, 2, 0, 2)
    assert (found.shards, found.complete) == (2, 0)


def nothing(_: Toy) -> None:
    pass


def source_changes(toy: Toy) -> None:
    toy.source("b").write_text("another text")


def list_changes(toy: Toy) -> None:
    toy.notes["a"] = "noted"


def settings_change(toy: Toy) -> None:
    toy.repeat = 2


def all_is_asked_for(toy: Toy) -> None:
    toy.options = PlanOptions(remake="all")


def failures_are_retried(toy: Toy) -> None:
    toy.options = PlanOptions(retry_failed=True)


def one_joins(toy: Toy) -> None:
    toy.keys.append("e")
    toy.source("e").write_text("text e")


def one_leaves(toy: Toy) -> None:
    toy.keys.remove("d")


def all_of_a_shard_leave(toy: Toy) -> None:
    toy.keys[:] = ["d", "b"]


def work_is_deleted(toy: Toy) -> None:
    shutil.rmtree(toy.root / "work")


def a_making_line_is_the_last(toy: Toy) -> None:
    writer = LedgerWriter(toy.ledger_dir, "00000", {})
    writer.append({"key": "b", "status": "making"})
    writer.close()


EDITS = [
    nothing, source_changes, list_changes, settings_change, all_is_asked_for, failures_are_retried, one_joins,
    one_leaves, all_of_a_shard_leave, work_is_deleted, a_making_line_is_the_last,
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_what_is_left_is_what_the_planner_would_make(edit: Edit, toy: Toy) -> None:
    toy.source("c").write_text("bad text")
    toy.run()
    edit(toy)
    to_make = plan_again(toy)
    found = status(toy)
    assert found.left == to_make
    assert found.wanted == len(toy.keys)
    release()
    toy.run()
    assert status(toy).left == 0


def test_after_a_restart_what_the_new_job_makes_is_counted_and_the_old_rows_are_not(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.run()
    toy.repeat = 2
    release()
    interrupt_after(toy, 1, monkeypatch)
    assert counts(status(toy)) == (4, 1, 0, 3)


def test_what_is_made_again_because_it_was_asked_for_counts_from_then_on(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.run()
    toy.options = PlanOptions(remake="all")
    release()
    interrupt_after(toy, 1, monkeypatch)
    assert counts(status(toy)) == (4, 1, 0, 3)


def test_to_look_leaves_no_trace(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(toy, 1, monkeypatch)
    before = everything(toy.root)
    status(toy)
    assert everything(toy.root) == before


def test_no_plan_yet_is_said(toy: Toy) -> None:
    found = status(toy)
    assert (counts(found), found.note) == ((None, 0, 0, None), "never begun")


def test_an_empty_list_is_planned_and_wants_nothing(toy: Toy) -> None:
    toy.keys.clear()
    toy.run()
    found = status(toy)
    assert (counts(found), found.note) == ((0, 0, 0, 0), "")


def test_without_work_the_ledger_tells_what_was_made(toy: Toy) -> None:
    toy.source("c").write_text("bad text")
    toy.run()
    work_is_deleted(toy)
    found = status(toy)
    assert counts(found) == (None, 3, 1, None)
    assert "no plan in " in found.note


def test_a_folder_that_polymill_did_not_make_is_told_from_a_new_one(toy: Toy) -> None:
    toy.dataset_dir.mkdir(parents=True)
    assert status(toy).note == "never begun"
    (toy.dataset_dir / "thesis.txt").write_text("mine")
    assert "holds files, and no record (.state)" in status(toy).note


def test_results_deleted_after_planning_are_nothing_made(toy: Toy) -> None:
    plan_dataset(toy.stage(), scratch=None)
    shutil.rmtree(toy.dataset_dir)
    found = status(toy)
    assert (counts(found), found.note) == ((4, 0, 0, 4), "planned, and nothing made")


def test_damage_costs_the_count_of_one_shard_and_no_more(toy: Toy) -> None:
    toy.run()
    layout.receipt_file(toy.work / "words", "00000").write_text("{")
    layout.receipt_file(toy.work / "words", "00001").write_text("[]")
    layout.plan_file(toy.work / "words", "00001").write_text("{")
    (toy.work / "index" / "plan.json").write_text("torn")
    ledger = list_shards(toy.ledger_dir)["00000"][-1]
    ledger.write_bytes(ledger.read_bytes()[:-5])
    found = status(toy)
    assert (found.wanted, found.made) == (2, 4)  # of shard 00001 the plan is lost, of 00000 but the rate's row


def test_a_ledger_of_a_newer_version_is_named(toy: Toy) -> None:
    toy.run()
    shutil.rmtree(toy.work)
    list_shards(toy.ledger_dir)["00000"][-1].write_bytes(
        encode_row({"format": FORMAT + 1, "made_by": "x", "versions": {}})
    )
    assert "written by a newer version of Polymill" in status(toy).note


def test_what_may_not_be_read_is_named(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.run()

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(dataset_status, "list_shards", refuse)
    assert status(toy).note == f"{toy.ledger_dir}: Permission denied"


@pytest.fixture
def half_made(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> Toy:
    toy.shard_size = 3
    interrupt_after(toy, 1, monkeypatch)
    return toy


def lock_of(toy: Toy, shard: str = "00000") -> LockFile:
    return LockFile(layout.shard_lock(toy.dataset_dir, "words", shard))


def age_ledgers(toy: Toy, seconds: float) -> None:
    for path in toy.ledger_dir.iterdir():
        os.utime(path, (time.time() - seconds,) * 2)


def test_a_shard_whose_lock_is_held_is_running(half_made: Toy) -> None:
    lock = lock_of(half_made)
    lock.acquire(wait=False)
    age_ledgers(half_made, 3600)
    assert status(half_made).running == ("00000",)
    lock.release()
    assert status(half_made).running == ()


def test_a_job_of_this_machine_that_ended_just_now_is_not_running(half_made: Toy) -> None:
    assert time.time() - max(path.stat().st_mtime for path in half_made.ledger_dir.iterdir()) < 10
    assert status(half_made).running == ()


def test_a_job_of_another_host_is_known_by_its_fresh_ledger(half_made: Toy) -> None:
    lock_of(half_made).path.write_text(json.dumps({"host": "node7", "pid": os.getpid()}))
    assert status(half_made).running == ("00000",)
    age_ledgers(half_made, 60)
    assert status(half_made).running == ()


def test_where_there_are_no_locks_the_fresh_ledger_tells(half_made: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LockFile, "is_held", lambda _: None)
    assert status(half_made).running == ("00000",)


def test_a_complete_shard_is_never_running(toy: Toy) -> None:
    toy.run()
    lock = lock_of(toy)
    lock.acquire(wait=False)
    assert status(toy).running == ()
    lock.release()


def test_a_job_that_is_stopped_by_a_signal_is_paused(half_made: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lock_of(half_made)
    lock.acquire(wait=False)
    monkeypatch.setattr(dataset_status.psutil.Process, "status", lambda _: dataset_status.psutil.STATUS_STOPPED)
    found = status(half_made)
    assert (found.paused, found.running, found.rate) == (True, ("00000",), None)
    lock.release()


def rates(*rows: tuple[int, float]) -> list[dict[str, Any]]:
    return [{"made": made, "failed": 0, "seconds": seconds, "at": 0.0, "workers": 8} for made, seconds in rows]


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ([], None),
        (rates((50, 10)), 5.0),
        (rates((50, 10), (150, 20)), 7.5),
        # Its last minute: from 10 s to 70 s.
        (rates((50, 10), (150, 40), (650, 70)), 10.0),
        (rates((9000, 1000), (9050, 1060)), 50 / 60),
        # A job that was interrupted says nothing of the next one.
        (rates((9000, 1000), (20, 10)), 2.0),
        (rates((9000, 50), (20, 10), (80, 40), (200, 100)), 2.0),
        (rates((0, 0.0)), None),
    ],
)
def test_the_rate_is_that_of_the_last_minute_of_the_newest_job(told: list[dict[str, Any]], rate: float | None) -> None:
    assert current_rate(told) == rate


def test_the_rate_is_the_sum_over_running_jobs_and_gives_the_time_left(half_made: Toy) -> None:
    locks = []
    for shard, made in (("00000", 20), ("00001", 10)):
        writer = LedgerWriter(half_made.ledger_dir, shard, {})
        writer.append({"rate": rates((made, 10.0))[0]})
        writer.close()
        locks.append(lock_of(half_made, shard))
        locks[-1].acquire(wait=False)
    found = status(half_made)
    assert (found.rate, found.left, found.seconds_left) == (3.0, 3, 1.0)
    locks[1].release()
    assert status(half_made).rate == 2.0
    locks[0].release()
    assert status(half_made).rate is None


def test_the_newest_of_samples_in_shared_folders_are_told_by_their_files(made_shared: SharedToy) -> None:
    os.utime(list_shards(made_shared.ledger_dir)["00001"][0])
    files = [made_shared.dataset_dir / name for name in ("upper/c.txt", "count/c.txt")]
    newest = {sample.key: sample.at for sample in status(made_shared).newest}
    assert newest.keys() == {"c.wav", "bob/a.wav"}  # which of the two ended last is chance
    assert newest["c.wav"] == max(file.stat().st_mtime for file in files)
    for file in files:
        file.unlink()
    assert [sample.key for sample in status(made_shared).newest] == ["bob/a.wav"]


def test_the_newest_samples_are_the_last_of_the_newest_ledger(toy: Toy) -> None:
    toy.run(workers=1)
    first, second = (list_shards(toy.ledger_dir)[shard][-1] for shard in ("00000", "00001"))
    os.utime(second, (time.time() + 5,) * 2)
    newest = status(toy).newest
    assert [sample.key for sample in newest] == ["c", "a"]
    assert newest[0].at == pytest.approx((toy.dataset_dir / "c").stat().st_mtime)
    os.utime(first, (time.time() + 9,) * 2)
    assert [sample.key for sample in status(toy).newest] == ["d", "b"]


def test_asked_again_only_what_changed_is_read(half_made: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, reads = StatusReader(), []
    for name in ("read_outline", "read_shard"):
        real = getattr(dataset_status, name)
        monkeypatch.setattr(
            dataset_status, name, lambda *a, real=real, name=name, **k: (reads.append(name), real(*a, **k))[1]
        )
    first = reader.read(half_made.stage())
    assert sorted(reads) == ["read_outline", "read_outline", "read_shard", "read_shard"]
    reads.clear()
    assert reader.read(half_made.stage()) == first
    assert reads == []
    writer = LedgerWriter(half_made.ledger_dir, "00001", {})
    assert reader.read(half_made.stage()) == replace(first, newest=(), running=("00001",))
    assert sorted(reads) == ["read_outline", "read_shard"]
    reads.clear()
    writer.append({"rate": rates((1, 1.0))[0]})
    reader.read(half_made.stage())
    assert sorted(reads) == ["read_outline", "read_shard"]
    writer.close()


def test_a_dataset_whose_configuration_is_wrong_does_not_hide_the_others(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.run()

    def stages(_: object, dataset: str) -> tuple[Any, ...]:
        if dataset == "broken":
            raise ConfigError("tokenizer: /models/clip: No such file or directory")
        return (toy.stage(),)

    monkeypatch.setattr(dataset_status, "SYSTEMS", {"toy": System(stages=stages)})
    broken, whole = StatusReader().read_all({"toy": {"datasets": {"broken": {}, "toys": {}}}})
    assert (broken.label, broken.note) == ("toy broken", "tokenizer: /models/clip: No such file or directory")
    assert whole.made == 4


def test_what_only_its_own_target_makes_is_shown_once_it_was_begun(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    system = System(stages=lambda *_: (), asked_for=lambda *_: (toy.stage(title="toy toys clips"),))
    monkeypatch.setattr(dataset_status, "SYSTEMS", {"toy": system})
    config = {"toy": {"datasets": {"toys": {}}}}
    assert StatusReader().read_all(config) == []
    toy.run()
    assert [found.label for found in StatusReader().read_all(config)] == ["toy toys clips"]


def test_this_host_is_known_by_the_name_that_locks_carry(half_made: Toy) -> None:
    holder = lock_of(half_made).last_holder()
    assert holder is not None
    assert holder.host == socket.gethostname()
