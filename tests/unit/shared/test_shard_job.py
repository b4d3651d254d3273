"""The job of one shard: makes what is missing, once, and remembers it."""

import errno
import fcntl
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout, shard_job, stop_request
from scripts.shared.errors import JobError, SampleError, StoppedError
from scripts.shared.fingerprints import canonical_json
from scripts.shared.ledger import LedgerWriter, read_shard
from scripts.shared.locks import LockFile
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.stage import PlanOptions, SourceEntry
from tests.toy_system import FUNCTION, Toy, expected_contents
from tests.unit.shared.conftest import release as planner_release

Results = Iterator[tuple[Any, Any]]


def files(toy: Toy, key: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (toy.dataset_dir / key).iterdir()}


def marks(toy: Toy) -> dict[str, tuple[int, int]]:
    found = toy.dataset_dir.glob("?/*.txt")
    return {f"{p.parent.name}/{p.name}": (p.stat().st_mtime_ns, p.stat().st_ino) for p in found}


def receipt(toy: Toy, shard: str = "00000") -> Path:
    return layout.receipt_file(toy.work / "words", shard)


def before_each_result(monkeypatch: pytest.MonkeyPatch, deed: Callable[[Any], None]) -> None:
    """Do something in the job between a worker's answer and its taking."""
    real = shard_job.run_tasks

    def run_tasks(*arguments: Any, **named: Any) -> Results:
        for task, result in real(*arguments, **named):
            deed(task)
            yield task, result

    monkeypatch.setattr(shard_job, "run_tasks", run_tasks)


def test_a_shard_is_made_and_remembered(toy: Toy) -> None:
    toy.run()
    for key in toy.keys:
        assert files(toy, key) == expected_contents(f"text {key}", "", 1)
    rows = read_shard(toy.ledger_dir, "00000").rows
    assert sorted(rows) == ["b", "d"]  # list order fills shards; within a shard, order of keys
    row = rows["b"]
    assert (row["status"], row["facts"], row["plan"]) == ("ok", {"letters": 6}, toy.serial())
    stat = toy.source("b").stat()
    assert row["source"] == [stat.st_size, stat.st_mtime_ns]
    assert read_shard(toy.ledger_dir, "00000").versions[row["made_by"]]["versions"] == {"toy": "1"}
    assert json.loads(receipt(toy).read_text())["ok"] == 2


def test_the_memory_names_no_absolute_path_and_no_dataset(toy: Toy) -> None:
    toy.run()
    for path in toy.state.rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            assert str(toy.root) not in path.read_text()
            assert "toys" not in path.read_text()


def test_a_job_whose_samples_are_there_makes_none_and_writes_the_same_receipt(toy: Toy) -> None:
    plan = toy.run()
    before, said = marks(toy), receipt(toy).read_bytes()
    receipt(toy).unlink()
    toy.answer(plan, "00000")
    assert (marks(toy), receipt(toy).read_bytes()) == (before, said)


def test_what_an_interrupted_job_made_is_kept(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_dataset(toy.stage(), scratch=None)
    seen: list[str] = []

    def interrupt(task: Any) -> None:
        seen.append(task.key)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        before_each_result(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            toy.answer(plan, "00000", workers=1)
    made = marks(toy)
    assert {name[0] for name in made} == {seen[0]}
    assert not receipt(toy).exists()
    toy.run()
    assert made.items() <= marks(toy).items()
    assert toy.index()["made"] == toy.keys


def test_a_job_that_is_asked_to_stop_ends_after_the_samples_in_hand(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.shard_size = 4
    plan = plan_dataset(toy.stage(), scratch=None)
    monkeypatch.setattr(stop_request, "_LOOK_EVERY_S", 0.0)
    with monkeypatch.context() as patch:
        before_each_result(patch, lambda _: layout.stop_file(toy.dataset_dir).touch())
        # The worker has the second one in hand when the first one's answer is taken.
        with pytest.raises(StoppedError, match=r"stopped by make stop after 2 of 4 samples: the same command goes on"):
            toy.answer(plan, "00000", workers=1)
    made = marks(toy)
    assert len(made) == 4  # the two files of each
    assert not receipt(toy).exists()
    assert read_shard(toy.ledger_dir, "00000").rates[-1]["made"] == 2
    assert list(layout.unfinished_dir(toy.dataset_dir, "words", "").glob("*")) == []
    planner_release()
    toy.run()
    assert not layout.stop_file(toy.dataset_dir).exists()
    assert made.items() <= marks(toy).items()
    assert toy.index()["made"] == toy.keys


def test_a_job_that_waits_for_another_hears_a_request_to_stop(toy: Toy) -> None:
    plan = plan_dataset(toy.stage(), scratch=None)
    other = LockFile(layout.shard_lock(toy.dataset_dir, "words", "00000"))
    other.acquire(wait=False)
    layout.stop_file(toy.dataset_dir).touch()
    with pytest.raises(StoppedError, match="stopped by make stop while it waited"):
        toy.answer(plan, "00000")
    other.release()


def test_a_request_to_stop_that_comes_with_the_last_sample_changes_nothing(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_dataset(toy.stage(), scratch=None)
    monkeypatch.setattr(stop_request, "_LOOK_EVERY_S", 0.0)
    before_each_result(monkeypatch, lambda task: task.key == "d" and layout.stop_file(toy.dataset_dir).touch())
    toy.answer(plan, "00000", workers=1)  # b, then d
    assert json.loads(receipt(toy).read_text())["ok"] == 2


def test_looking_leaves_a_request_to_stop_alone_and_the_next_real_run_takes_it_away(toy: Toy, tmp_path: Path) -> None:
    toy.run()
    planner_release()
    layout.stop_file(toy.dataset_dir).touch()
    toy.dry_run(tmp_path / "scratch")
    assert layout.stop_file(toy.dataset_dir).exists()
    plan_dataset(toy.stage(), scratch=None)
    assert not layout.stop_file(toy.dataset_dir).exists()


def test_a_replaced_plan_ends_the_job(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_dataset(toy.stage(), scratch=None)
    path = plan.plans["00000"]

    def replace_plan(_: Any) -> None:
        copy = path.with_suffix(".new")
        shutil.copy2(path, copy)
        os.replace(copy, path)

    before_each_result(monkeypatch, replace_plan)
    with pytest.raises(JobError, match="a newer run planned this shard again: this job ends"):
        toy.answer(plan, "00000")
    assert marks(toy) == {}
    assert not receipt(toy).exists()


def test_a_deleted_plan_does_not_end_the_job(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_dataset(toy.stage(), scratch=None)
    before_each_result(monkeypatch, lambda _: shutil.rmtree(toy.root / "work", ignore_errors=True))
    toy.answer(plan, "00000")
    assert receipt(toy).exists()
    assert len(marks(toy)) == 4


def test_a_failed_sample_leaves_no_files_and_its_row(toy: Toy) -> None:
    toy.run()
    toy.source("b").write_text("bad one")
    toy.run()
    assert not (toy.dataset_dir / "b").exists()
    row = read_shard(toy.ledger_dir, "00000").rows["b"]
    assert (row["status"], row["error"], row["message"]) == ("failed", "bad_text", "bad one is bad")
    assert toy.index() == {"made": ["d", "c", "a"], "failed": ["b"]}
    failures = (toy.dataset_dir / "failures.csv").read_text()
    assert failures == "key,source,error,message\nb,b.txt,bad_text,bad one is bad\n"


def test_a_foreign_file_in_a_folder_survives_the_sample(toy: Toy) -> None:
    toy.run()
    (toy.dataset_dir / "b" / "mine").write_text("mine")
    assert plan_dataset(toy.stage(), scratch=None).n_to_make == 0
    toy.source("b").write_text("another text")
    toy.run()
    assert files(toy, "b")["mine"] == b"mine"
    assert files(toy, "b")["count.txt"].startswith(b"12 ")
    toy.source("b").write_text("bad text now")
    toy.run()
    assert files(toy, "b") == {"mine": b"mine"}


def test_a_source_that_comes_back_is_tried_at_once(toy: Toy) -> None:
    toy.source("b").rename(toy.root / "kept")
    toy.run()
    assert toy.index()["failed"] == ["b"]
    assert plan_dataset(toy.stage(), scratch=None).n_to_make == 0
    (toy.root / "kept").rename(toy.source("b"))
    assert dict(plan_dataset(toy.stage(), scratch=None).statuses[0].reasons) == {"source changed": 1}
    toy.run()
    assert toy.index()["made"] == toy.keys


def test_a_making_row_stands_before_files_are_replaced(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.run()
    toy.source("b").write_text("another text")
    real = os.replace

    def killed(source: Any, target: Any) -> None:
        if str(target).endswith(".txt"):
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            toy.run()
    assert read_shard(toy.ledger_dir, "00000").rows["b"]["status"] == "making"
    plan = plan_dataset(toy.stage(), scratch=None)
    assert dict(plan.statuses[0].reasons) == {"interrupted": 1}


def test_an_older_row_never_speaks_for_newer_files(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deleted folder, made with other settings, its row lost, and the settings changed back: equal sizes."""
    toy.run()
    for key in toy.keys:
        shutil.rmtree(toy.dataset_dir / key)
    toy.repeat = 2
    real = LedgerWriter.append

    def lose_ok_rows(self: LedgerWriter, row: dict[str, Any], *, sync: bool = False) -> None:
        if row.get("status") != "ok":
            real(self, row, sync=sync)

    with monkeypatch.context() as patch:
        patch.setattr(LedgerWriter, "append", lose_ok_rows)
        plan = plan_dataset(toy.stage(), scratch=None)
        for shard in plan.plans:
            toy.answer(plan, shard)
    toy.repeat = 1
    toy.run()
    assert files(toy, "b") == expected_contents("text b", "", 1)


def test_a_forced_sample_is_settled_by_a_row_of_this_plan(toy: Toy) -> None:
    toy.run()
    toy.options = PlanOptions(remake="b")
    plan = plan_dataset(toy.stage(), scratch=None)
    toy.answer(plan, "00000")
    before = marks(toy)
    receipt(toy).unlink()
    toy.answer(plan, "00000")
    assert marks(toy) == before


def test_a_forced_sample_that_broke_again_is_made_once_more(toy: Toy) -> None:
    """Killed after it was made and before the receipt, then cut short: the old plan must not settle it."""
    toy.run()
    for _ in range(2):
        os.truncate(toy.dataset_dir / "b" / "upper.txt", 1)
        toy.options = PlanOptions(verify="full")
        plan = plan_dataset(toy.stage(), scratch=None)
        toy.answer(plan, "00000")
        receipt(toy).unlink()
    assert files(toy, "b") == expected_contents("text b", "", 1)


def test_all_of_the_first_fifty_failing_stops_the_shard(tmp_path: Path) -> None:
    toy = Toy(tmp_path, keys=[f"k{n:03d}" for n in range(60)], shard_size=100)
    toy.sources.mkdir()
    for key in toy.keys:
        toy.source(key).write_text("bad")
    with pytest.raises(JobError, match=r"the first 50 samples all failed: bad_text \(50\); the log names each"):
        toy.run()
    for key in toy.keys[55:]:
        toy.source(key).write_text("good")
    plan = plan_dataset(toy.stage(options=PlanOptions(retry_failed=True)), scratch=None)
    with pytest.raises(JobError, match="first 50"):
        toy.answer(plan, "00000")
    toy.run()
    assert len(toy.index()["made"]) == 5


def test_one_success_among_the_first_fifty_goes_on(tmp_path: Path) -> None:
    toy = Toy(tmp_path, keys=[f"k{n:03d}" for n in range(55)], shard_size=100)
    toy.sources.mkdir()
    for key in toy.keys:
        toy.source(key).write_text("good" if key == "k000" else "bad")
    toy.run()
    assert len(toy.index()["failed"]) == 54


def test_a_slow_success_among_quick_failures_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy(tmp_path, keys=[f"k{n:03d}" for n in range(70)], shard_size=100)
    toy.sources.mkdir()
    for key in toy.keys:
        toy.source(key).write_text("good" if key == "k000" else "bad")
    real = shard_job.run_tasks

    def slowest_first(*arguments: Any, **named: Any) -> Results:
        results = list(real(*arguments, **named))
        yield from sorted(results, key=lambda result: result[0].key == "k000")

    monkeypatch.setattr(shard_job, "run_tasks", slowest_first)
    toy.run()
    assert toy.index()["made"] == ["k000"]


def test_pairs_ruled_out_by_the_list_do_not_count_as_hopeless(tmp_path: Path) -> None:
    toy = Toy(tmp_path, shard_size=100)
    toy.sources.mkdir()
    ruled_out = [canonical_json({"error": ["bad_pair", f"pair {n} is no pair"]}) for n in range(60)]
    entries = [SourceEntry(f"k{n}", "", entry) for n, entry in enumerate(ruled_out)]
    stage = toy.stage(read_list=lambda: entries)
    plan = plan_dataset(stage, scratch=None)
    toy.answer(plan, "00000")
    assert plan_dataset(stage, scratch=None).n_to_make == 0


def test_a_full_disk_ends_the_job_and_keeps_what_was_made(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_dataset(toy.stage(), scratch=None)
    real, written = os.write, []

    def write(descriptor: int, data: bytes) -> int:
        written.append(data)
        return real(descriptor, data[:7] if len(written) == 3 else data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(
            JobError, match=r"No space left on device; make room .* and run again: what is finished is kept"
        ):
            toy.answer(plan, "00000", workers=1)
    assert not receipt(toy).exists()
    toy.run()
    assert toy.index()["made"] == toy.keys


def test_a_second_job_on_the_shard_waits_and_then_has_nothing_to_make(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan = plan_dataset(toy.stage(), scratch=None)
    inside, go = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        inside.set()
        go.wait(20)

    before_each_result(monkeypatch, hold)
    caplog.set_level(logging.INFO)
    first = threading.Thread(target=toy.answer, args=(plan, "00000"))
    first.start()
    inside.wait(20)
    second = threading.Thread(target=toy.answer, args=(plan, "00000"))
    second.start()
    threading.Timer(0.5, go.set).start()
    first.join(30)
    second.join(30)
    assert f"waits for pid {os.getpid()} on " in caplog.text
    assert "all 2 samples are there" in caplog.text
    assert len(read_shard(toy.ledger_dir, "00000").files) == 1


def test_two_jobs_without_locks_corrupt_nothing(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both work on the shard at once, where the file system has no locks."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    plan = plan_dataset(toy.stage(), scratch=None)
    start = threading.Barrier(2)
    real = shard_job.run_tasks

    def run_tasks(*arguments: Any, **named: Any) -> Results:
        start.wait(20)
        yield from real(*arguments, **named)

    monkeypatch.setattr(shard_job, "run_tasks", run_tasks)
    errors: list[BaseException] = []

    def job() -> None:
        try:
            toy.answer(plan, "00000")
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    jobs = [threading.Thread(target=job) for _ in range(2)]
    for thread in jobs:
        thread.start()
    for thread in jobs:
        thread.join(60)
    monkeypatch.undo()
    assert errors == []
    toy.run()
    for key in toy.keys:
        assert files(toy, key) == expected_contents(f"text {key}", "", 1)
    assert plan_dataset(toy.stage(), scratch=None).n_to_make == 0
    assert [path for path in toy.state.glob("*/unfinished/**/*") if path.is_file()] == []


def test_what_an_earlier_job_left_half_made_is_removed(toy: Toy) -> None:
    left = layout.unfinished_dir(toy.dataset_dir, "words", "00000") / "000001-dead" / "b"
    left.mkdir(parents=True)
    (left / "upper.txt").write_text("half")
    toy.run()
    assert not left.exists()
    left.mkdir(parents=True)
    plan_dataset(toy.stage(), scratch=None)
    assert not left.exists()


@pytest.mark.parametrize("what", ["file", "dangling link"])
def test_something_else_in_the_place_of_a_sample_is_named_and_kept(toy: Toy, what: str) -> None:
    toy.dataset_dir.mkdir(parents=True)
    place = toy.dataset_dir / "b"
    place.write_text("mine") if what == "file" else place.symlink_to(toy.root / "nowhere")
    with pytest.raises(JobError, match="results/toy/toys/b"):
        toy.run()
    assert place.is_file() or place.is_symlink()
    place.unlink()
    toy.run()
    assert toy.index()["made"] == toy.keys


def test_receipts_tell_other_files_facts_and_failures_apart(toy: Toy) -> None:
    toy.run()
    said = {receipt(toy).read_bytes()}
    for text in ("other text", "bad one", "bad two"):
        toy.source("b").write_text(text)
        toy.run()
        said.add(receipt(toy).read_bytes())
    assert len(said) == 4


def test_a_damaged_plan_is_an_error_with_the_mend(toy: Toy) -> None:
    plan = plan_dataset(toy.stage(), scratch=None)
    plan.plans["00000"].write_text("{}")
    with pytest.raises(JobError, match="delete it and run again"):
        toy.answer(plan, "00000")


def test_a_sample_error_with_many_lines_is_one_line() -> None:
    assert SampleError("x", "a\nb\n\n c").message == "a b c"


def test_what_the_means_ask_for_is_held_while_samples_are_made_and_reaches_them(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []

    @contextmanager
    def equip(means: dict[str, Any], stop: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        said.append((means, stop()))
        try:
            yield means | {"gpu": 3}
        finally:
            said.append("given back")

    before_each_result(monkeypatch, lambda task: said.append(task.means))
    plan = plan_dataset(toy.stage(means={"with": "care"}), scratch=None)
    job = partial(
        shard_job.run_shard, plan.plans["00000"], receipt(toy), function=FUNCTION, versions={}, workers=1, equip=equip
    )
    job()
    made_with = {"with": "care", "gpu": 3}
    assert said == [({"with": "care"}, False), made_with, made_with, "given back"]
    said.clear()
    job()  # nothing is missing
    assert said == []
    shutil.rmtree(toy.dataset_dir / "b")
    before_each_result(monkeypatch, lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job()
    assert said[-1] == "given back"


def job_of(toy: Toy, **hooks: Any) -> Callable[[], None]:
    """The job of the first shard, with two samples, as a function."""
    plan = plan_dataset(toy.stage(means={"with": "care"}), scratch=None)
    return partial(
        shard_job.run_shard, plan.plans["00000"], receipt(toy), function=FUNCTION, versions={}, workers=1, **hooks
    )


def test_what_workers_began_is_finished_together_with_what_the_means_are(toy: Toy) -> None:
    seen: list[Any] = []

    @contextmanager
    def equip(means: dict[str, Any], _: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        yield means | {"gpu": 3}
        seen.append("given back")

    def combine(means: dict[str, Any], answers: Results) -> Results:
        seen.append(means)
        together = list(answers)
        for task, answer in reversed(together):
            seen.append(task.key)
            yield task, SampleError("odd", "no") if task.key == "b" else answer

    job_of(toy, equip=equip, combine=combine)()
    assert seen == [{"with": "care", "gpu": 3}, "d", "b", "given back"]
    rows = read_shard(toy.ledger_dir, "00000").rows
    assert (rows["d"]["status"], rows["b"]["error"]) == ("ok", "odd")
    assert files(toy, "d") == expected_contents("text d", "", 1)


def test_a_job_that_is_asked_to_stop_keeps_what_is_combined_of_the_answers_so_far(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_request, "_LOOK_EVERY_S", 0.0)
    toy.shard_size = 4
    before_each_result(monkeypatch, lambda _: layout.stop_file(toy.dataset_dir).touch())
    with pytest.raises(StoppedError, match="after 2 of 4 samples"):
        job_of(toy, combine=lambda _, answers: iter(list(answers)))()
    assert len(marks(toy)) == 4


def test_a_shard_is_finished_once_with_the_rows_of_its_plan_before_its_receipt(toy: Toy) -> None:
    calls: list[Any] = []

    def finish(header: Any, rows: dict[str, Any]) -> None:
        calls.append((header.shard, {key: row["status"] for key, row in rows.items()}, receipt(toy).exists()))

    toy.source("b").write_text("bad")
    job = job_of(toy, finish=finish)
    job()
    assert calls == [("00000", {"b": "failed", "d": "ok"}, False)]
    receipt(toy).unlink()
    job()  # nothing is missing, and what it left may be
    assert len(calls) == 2


def test_a_shard_that_cannot_be_finished_has_no_receipt(toy: Toy) -> None:
    def finish(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "parts/00000.npy")

    with pytest.raises(JobError, match=r"parts/00000.npy: No space left on device; make room"):
        job_of(toy, finish=finish)()
    assert not receipt(toy).exists()
    assert len(marks(toy)) == 4
