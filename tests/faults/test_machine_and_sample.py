"""What is a sample's fault and what is the machine's: a source that changes, a mount that goes, memory that ends."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout
from scripts.shared.errors import JobError
from scripts.shared.ledger import Row, read_shard
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.shard_job import run_shard
from tests import toy_system
from tests.faults.tally import tell
from tests.faults.test_damaged_state import in_this_process
from tests.snakemake_run import ROOT, contents
from tests.toy_system import FILES, VERSIONS, Toy, expected_contents, write_index
from tests.unit.shared.conftest import release

N_SAMPLES = 6


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Toy]:
    """Six samples in one shard, of which nothing is made."""
    made = Toy(tmp_path, keys=[f"s{number}" for number in range(N_SAMPLES)], shard_size=1000)
    write_sources(made)
    yield made
    release()


def write_sources(toy: Toy) -> None:
    toy.sources.mkdir(exist_ok=True)
    for key in toy.keys:
        toy.source(key).write_text(f"text of {key}")


def run(toy: Toy, function: str = "tests.faults.odd_worker:make", workers: int = 1) -> None:
    release()
    plan = plan_dataset(toy.stage(), scratch=None)
    for shard in toy.due(plan):
        receipt = layout.receipt_file(toy.work / "words", shard)
        run_shard(plan.plans[shard], receipt, function=function, versions=VERSIONS, workers=workers)
    write_index(plan.index_plan, toy.dataset_dir)


def rows(toy: Toy) -> dict[str, Row]:
    return read_shard(toy.ledger_dir, "00000").rows


def assert_as_undisturbed(toy: Toy, tmp_path: Path) -> None:
    undisturbed = Toy(tmp_path / "undisturbed", keys=toy.keys, shard_size=1000)
    shutil.copytree(toy.sources, undisturbed.sources)
    run(undisturbed, toy_system.FUNCTION)
    assert contents(toy.dataset_dir) == contents(undisturbed.dataset_dir)
    release()
    assert plan_dataset(toy.stage(), scratch=None).n_to_make == 0


# Sources that change


def _in_place(path: Path, text: str) -> None:
    with path.open("r+") as file:
        file.write(text)


def _by_rename(path: Path, text: str) -> None:
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").rename(path)


def _with_its_times(path: Path, text: str) -> None:
    """As `rsync -t` and `cp -p` bring a file of the same size and time."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _cut(path: Path, _text: str) -> None:
    os.truncate(path, 3)


def _grown(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _removed(path: Path, _text: str) -> None:
    path.unlink(missing_ok=True)  # at the second try it is gone


CHANGES = [_in_place, _by_rename, _with_its_times, _cut, _grown, _removed]


@pytest.mark.parametrize("n_times", [12, pytest.param(600, marks=pytest.mark.slow)])
def test_a_source_that_changes_while_it_is_read_is_read_again_and_never_mixed(
    n_times: int, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, draw, due = toy_system.contents, random.Random(n_times), {"left": 0}
    key, texts = toy.keys[2], ["one text here", "other text !!", "third text ::"]
    change = CHANGES[0]

    def contents_while_it_changes(task: Any) -> Any:
        text = task.source.read_text() if task.source.exists() else ""
        if task.key != key or not due["left"]:
            return whole(task)
        due["left"] -= 1
        time.sleep(0.005)  # the kernel's clock ticks
        if draw.random() < 0.5:  # before it is read, or after
            change(task.source, draw.choice(texts))
            return whole(task)
        made = whole(task)
        change(task.source, draw.choice([other for other in texts if other != text]))
        return made

    monkeypatch.setattr("scripts.shared.shard_job.run_tasks", in_this_process)
    monkeypatch.setattr(toy_system, "contents", contents_while_it_changes)
    for change in islice(cycle(CHANGES), n_times):  # noqa: B007 - the worker above uses it
        toy.source(key).write_text(draw.choice(texts))
        due["left"] = draw.randint(1, 4)
        time.sleep(0.005)
        run(toy, toy_system.FUNCTION)
        row = rows(toy)[key]
        if row["status"] == "ok":  # what it holds is one text, and that of the file which the row tells of
            seen = toy.source(key).stat()
            assert row["source"] == [seen.st_size, seen.st_mtime_ns]
            assert toy.held(key) == expected_contents(toy.source(key).read_text(), "", 1)
        else:
            assert row["error"] in ("source_changed", "no_source")
        due["left"] = 0
    if not toy.source(key).exists():
        toy.source(key).write_text("at rest")
    toy.options = toy.options.__class__(retry_failed=["source_changed"])
    run(toy, toy_system.FUNCTION)
    assert_as_undisturbed(toy, tmp_path)
    tell("a source replaced, cut, grown or removed while it is read", systems="the shard job", tried=n_times)


# Mounts that go


@pytest.mark.parametrize("error", ["ESTALE", "ENOTCONN", pytest.param("EMFILE", marks=pytest.mark.slow)])
def test_a_mount_that_refuses_ends_the_shard_and_fails_no_sample(error: str, toy: Toy, tmp_path: Path) -> None:
    toy.source("s3").write_text(f"refuse {error}")
    with pytest.raises(JobError, match=r"s3\.txt: refused; .* and run again: what is finished is kept"):
        run(toy)
    held = rows(toy)
    assert {row["status"] for row in held.values()} == {"ok"}
    assert list(held) == ["s0", "s1", "s2"]
    toy.source("s3").write_text("text of s3")
    run(toy)
    assert_as_undisturbed(toy, tmp_path)
    tell("a source on a mount that refuses (ESTALE, ENOTCONN, EMFILE)", systems="the shard job", tried=1)


def test_a_bad_sector_costs_its_sample(toy: Toy) -> None:
    toy.source("s3").write_text("refuse EIO")
    run(toy)
    assert [key for key, row in rows(toy).items() if row["status"] == "failed"] == ["s3"]


def test_a_disk_on_which_nothing_can_be_read_any_more_ends_the_shard(toy: Toy) -> None:
    toy.keys += [f"t{number:02d}" for number in range(90)]
    write_sources(toy)
    for key in toy.keys[N_SAMPLES:]:
        toy.source(key).write_text("refuse EIO")
    with pytest.raises(JobError, match=r"50 samples in a row could not be read: is the disk of .*sources well\?"):
        run(toy)
    assert sum(row["status"] == "failed" for row in rows(toy).values()) == 49
    write_sources(toy)
    run(toy)
    assert {row["status"] for row in rows(toy).values()} == {"ok"}
    tell("a disk that reads nothing any more (EIO)", systems="the shard job", tried=1)


def test_sources_unmounted_in_mid_run_end_the_shard_and_fail_no_sample(toy: Toy, tmp_path: Path) -> None:
    toy.source("s3").write_text("unmount")
    with pytest.raises(JobError, match=r"sources is empty now: is it mounted\?"):
        run(toy)
    assert {row["status"] for row in rows(toy).values()} == {"ok"}
    write_sources(toy)
    for key in ("s0", "s1", "s2"):  # as the mount shows them again
        _, mtime_ns = rows(toy)[key]["source"]
        os.utime(toy.source(key), ns=(mtime_ns, mtime_ns))
    before = {key: (toy.dataset_dir / key).stat().st_mtime_ns for key in ("s0", "s1", "s2")}
    run(toy)
    assert before == {key: (toy.dataset_dir / key).stat().st_mtime_ns for key in before}
    assert_as_undisturbed(toy, tmp_path)
    tell("sources unmounted in mid-run", systems="the shard job", tried=1)


# Results that go


def _deleted(folder: Path) -> None:
    shutil.rmtree(folder)


def _state_deleted(folder: Path) -> None:
    shutil.rmtree(folder / ".state")


def _renamed(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize("go", [_deleted, _state_deleted, _renamed])
@pytest.mark.parametrize("n_made", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_results_that_go_in_mid_run_end_the_shard_and_nothing_is_written_to_nowhere(
    go: Callable[[Path], None], n_made: int, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def then_gone(name: str, tasks: Any, **named: Any) -> Iterator[Any]:
        for task in tasks:
            if len(seen) == n_made:
                go(toy.dataset_dir)
            seen.append(task.key)
            yield from in_this_process(name, [task], **named)

    with monkeypatch.context() as patch:
        patch.setattr("scripts.shared.shard_job.run_tasks", then_gone)
        with pytest.raises(JobError, match="and run again: what is finished is kept"):
            run(toy)
    assert len(seen) == n_made + 1, "it works on for nobody"
    run(toy)
    assert_as_undisturbed(toy, tmp_path)
    tell("a results folder deleted or renamed in mid-run", systems="the shard job", tried=1)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_user_who_loses_the_right_to_the_results_is_told_and_loses_nothing(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then_closed(name: str, tasks: Any, **named: Any) -> Iterator[Any]:
        for task, made in in_this_process(name, tasks, **named):
            if task.key == "s3":
                toy.dataset_dir.chmod(0o555)
            yield task, made

    for folder in [tmp_path, *tmp_path.parents][:-2]:
        folder.chmod(folder.stat().st_mode | 0o111)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        os.chown(path, 65534, 65534)
    os.seteuid(65534)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("scripts.shared.shard_job.run_tasks", then_closed)
            with pytest.raises(JobError, match=r"Permission denied; give yourself the right to it and run again"):
                run(toy)
        assert [row["status"] for row in rows(toy).values()] == ["ok", "ok", "ok"]
        toy.dataset_dir.chmod(0o755)
        with monkeypatch.context() as patch:
            patch.setattr("scripts.shared.shard_job.run_tasks", in_this_process)
            run(toy)
    finally:
        os.seteuid(0)
    assert_as_undisturbed(toy, tmp_path)
    tell("the right to a results folder taken away in mid-run", systems="the shard job", tried=1)


# Memory that ends


def test_a_worker_that_may_have_no_more_memory_costs_its_sample_which_says_so(toy: Toy) -> None:
    toy.source("s3").write_text("limited")
    run(toy)
    failed = {key: row for key, row in rows(toy).items() if row["status"] == "failed"}
    assert list(failed) == ["s3"]
    assert failed["s3"]["error"] == "out_of_memory"
    assert failed["s3"]["message"] == "the worker ran out of memory; use fewer workers"
    tell("a worker out of memory (RLIMIT_AS)", systems="the shard job", tried=1)


JOB = f"""
import os, sys
from pathlib import Path
Path(sys.argv[1]).write_text(str(os.getpid()))
from scripts.shared.shard_job import run_shard
run_shard(
    Path(sys.argv[2]), Path(sys.argv[3]), function="tests.faults.odd_worker:make", versions={VERSIONS!r}, workers=1
)
"""


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A control group of 300 MB: what passes that is ended by the kernel."""
    group = Path("/sys/fs/cgroup/memory/polymill-faults")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(300 << 20))
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    yield group
    group.rmdir()


def test_a_worker_that_the_kernel_ends_for_memory_costs_its_sample_which_says_so(
    toy: Toy, tmp_path: Path, small_memory: Path
) -> None:
    toy.source("s3").write_text("huge")
    plan = plan_dataset(toy.stage(), scratch=None)
    receipt = layout.receipt_file(toy.work / "words", "00000")
    # In a process of its own: the kernel ends the largest of the group, which this one would be.
    subprocess.run(
        [sys.executable, "-c", JOB, small_memory / "cgroup.procs", plan.plans["00000"], receipt], cwd=ROOT, check=True
    )
    failed = {key: row for key, row in rows(toy).items() if row["status"] == "failed"}
    assert list(failed) == ["s3"]
    assert failed["s3"]["error"] == "worker_died"
    assert "ended by SIGKILL (out of memory? use fewer workers)" in failed["s3"]["message"]
    assert all((toy.dataset_dir / key / FILES[0]).exists() for key in toy.keys if key != "s3")
    toy.source("s3").write_text("text of s3")
    run(toy)
    assert_as_undisturbed(toy, tmp_path)
    tell("a worker that the kernel ends for its memory", systems="the shard job", tried=1)
