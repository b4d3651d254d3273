"""Samples whose files lie in folders that they share: what is there is on record, whatever happens in between."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout, shard_job
from scripts.shared.errors import JobError, PlanningError
from scripts.shared.ledger import encode_row, list_shards, read_shard
from scripts.shared.planning.one_sample import plan_single
from scripts.shared.planning.plan_file import read_plan
from scripts.shared.planning.planner import DatasetPlan, plan_dataset
from scripts.shared.planning.stage import PlanOptions
from scripts.upkeep.prune import prune
from scripts.upkeep.prune_plan import plan_prune
from tests.snakemake_run import contents, everything
from tests.toy_system import SharedToy, expected_contents
from tests.unit.shared.conftest import release
from tests.unit.shared.test_edits_of_a_dataset import in_this_process

KEYS = ["ann/b.wav", "ann/a.wav", "bob/a.wav", "c.wav"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work without worker processes and without waiting for the disk."""
    monkeypatch.setattr(shard_job, "run_tasks", in_this_process)
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[SharedToy]:
    toy = SharedToy(tmp_path / "toy", keys=list(KEYS))
    for key in toy.keys:
        write(toy, key)
    yield toy
    release()


def write(toy: SharedToy, key: str, text: str = "") -> None:
    toy.source(key).parent.mkdir(parents=True, exist_ok=True)
    toy.source(key).write_text(text or f"text {key}")


def rows(toy: SharedToy) -> dict[str, Any]:
    found = {}
    for shard in list_shards(toy.ledger_dir):
        found |= read_shard(toy.ledger_dir, shard).rows
    return found


def texts(toy: SharedToy) -> set[str]:
    """All files in the shared folders."""
    return {name for name in contents(toy.dataset_dir) if name.endswith(".txt")}


def wanted_files(toy: SharedToy) -> set[str]:
    return {path for key in toy.keys for path in toy.files(key).values()}


def test_files_lie_where_the_entry_says_and_the_row_names_them_so(shared: SharedToy) -> None:
    shared.run()
    assert texts(shared) == wanted_files(shared)
    assert shared.held("ann/a.wav") == expected_contents("text ann/a.wav", "", 1)
    row = rows(shared)["ann/a.wav"]
    assert list(row["files"]) == ["upper/ann/a.txt", "count/ann/a.txt"]
    assert "folder_mtime_ns" not in row
    assert shared.index()["made"] == KEYS
    assert list(layout.unfinished_dir(shared.dataset_dir, "words", "").glob("**/*")) == []


def test_an_untouched_dataset_plans_to_nothing_and_writes_nothing(shared: SharedToy) -> None:
    shared.run()
    before = everything(shared.root)
    assert plan_dataset(shared.stage(), scratch=None).n_to_make == 0
    assert everything(shared.root) == before


@pytest.mark.parametrize(("damage", "reason"), [("gone", "output missing"), ("cut", "output damaged")])
def test_a_file_gone_or_cut_is_seen_at_every_plan(shared: SharedToy, damage: str, reason: str) -> None:
    shared.run()
    path = shared.dataset_dir / "upper" / "bob" / "a.txt"
    path.unlink() if damage == "gone" else os.truncate(path, 3)
    found = plan_dataset(shared.stage(), scratch=None).statuses
    assert [dict(status.reasons) for status in found if status.reasons] == [{reason: 1}]
    shared.run()
    assert shared.held("bob/a.wav") == expected_contents("text bob/a.wav", "", 1)


def test_a_dataset_that_was_moved_or_copied_needs_nothing(shared: SharedToy) -> None:
    shared.run()
    release()
    shutil.copytree(shared.dataset_dir, shared.root / "results" / "toy" / "copy", copy_function=shutil.copyfile)
    assert replace(shared, dataset="copy").run().n_to_make == 0


def test_a_failed_sample_leaves_no_file_and_its_neighbours_stay(shared: SharedToy) -> None:
    shared.run()
    write(shared, "ann/a.wav", "bad one")
    shared.run()
    assert texts(shared) == wanted_files(shared) - set(shared.files("ann/a.wav").values())
    assert shared.index()["failed"] == ["ann/a.wav"]


def test_a_file_in_the_place_of_a_folder_ends_the_job_and_is_named(shared: SharedToy) -> None:
    (shared.dataset_dir / "upper").mkdir(parents=True)
    (shared.dataset_dir / "upper" / "ann").write_text("mine")
    with pytest.raises(JobError, match=r"toys/upper/ann is no folder, but files of samples belong below it; move it"):
        shared.run()
    (shared.dataset_dir / "upper" / "ann").unlink()
    shared.run()
    assert texts(shared) == wanted_files(shared)


def twin_beside(toy: SharedToy) -> None:
    toy.keys.insert(0, "ann/a.mp3")
    write(toy, "ann/a.mp3")


def twin_instead(toy: SharedToy) -> None:
    toy.keys[toy.keys.index("ann/a.wav")] = "ann/a.mp3"
    write(toy, "ann/a.mp3", "TEXT ann/a.wav")  # files of one size, as of the one before


def twin_gone(toy: SharedToy) -> None:
    toy.keys.remove("bob/twin.mp3")


def spoilt(toy: SharedToy) -> None:
    write(toy, "ann/a.wav", "bad text")


def twin_instead_of_a_spoilt(toy: SharedToy) -> None:
    twin_instead(toy)
    write(toy, "ann/a.mp3", "bad text")


def check_settled(toy: SharedToy) -> None:
    """All that is wanted is right, all else is on record, of one sample each, and goes when it is pruned."""
    made = [key for key in toy.keys if key not in toy.index()["failed"]]
    for key in made:
        assert toy.held(key) == expected_contents(toy.source(key).read_text(), "", 1)
    named = [path for row in rows(toy).values() for path in row.get("files", ())]
    assert len(named) == len(set(named))
    assert texts(toy) <= set(named)
    assert plan_dataset(toy.stage(), scratch=None).n_to_make == 0
    release()
    prune(plan_prune([toy.stage()])[0])
    assert texts(toy) == {path for key in made for path in toy.files(key).values()}
    assert plan_dataset(toy.stage(), scratch=None).n_to_make == 0
    release()


CHANGES = [twin_beside, twin_instead, twin_gone, spoilt, twin_instead_of_a_spoilt]


@pytest.fixture
def with_twins(shared: SharedToy) -> SharedToy:
    shared.keys += ["bob/twin.wav", "bob/twin.mp3"]
    for key in shared.keys[-2:]:
        write(shared, key)
    shared.run()
    release()
    return shared


@pytest.mark.parametrize("change", CHANGES)
def test_files_that_change_names_or_owners_leave_nothing_stale(
    change: Callable[[SharedToy], None], with_twins: SharedToy
) -> None:
    toy = with_twins
    change(toy)
    toy.run()
    check_settled(toy)


def test_a_file_that_went_to_another_sample_and_back_is_made_again(shared: SharedToy) -> None:
    """Both have files of one size: only the record can tell whose they are."""
    shared.run()
    before = list(shared.keys)
    twin_instead(shared)
    shared.run()
    shared.keys = before
    assert dict(plan_dataset(shared.stage(), scratch=None).statuses[0].reasons) == {"interrupted": 1}
    shared.run()
    assert shared.held("ann/a.wav") == expected_contents("text ann/a.wav", "", 1)


def test_one_sample_asked_for_by_its_path_takes_its_file_over_too(shared: SharedToy) -> None:
    shared.run()
    twin_instead(shared)
    single = plan_single(shared.stage(), "ann/a.mp3", scratch=None, inner=False)
    assert rows(shared)["ann/a.wav"] == {"key": "ann/a.wav", "status": "making", "files": []}
    shard = read_plan(single.path)[0].shard
    shared.answer(DatasetPlan({shard: single.path}, single.path, [], 1, 0), shard)
    assert shared.held("ann/a.mp3") == expected_contents("TEXT ann/a.wav", "", 1)


def test_two_samples_that_change_files_with_each_other_both_keep_them(tmp_path: Path) -> None:
    toy = SharedToy(tmp_path, keys=["x.wav", "y.wav"], shard_size=1)
    for key in toy.keys:
        write(toy, key)
    toy.run()
    swapped = {"x.wav": toy.files("y.wav"), "y.wav": toy.files("x.wav")}
    toy.files = swapped.__getitem__  # type: ignore[method-assign]
    toy.run()
    for key in toy.keys:
        assert toy.held(key) == expected_contents(f"text {key}", "", 1)
    assert texts(toy) == wanted_files(toy)
    release()


class KilledError(BaseException):
    """A kill, at a point where nothing can be done about it."""


def count_and_kill(monkeypatch: pytest.MonkeyPatch, folder: Path, at: int) -> list[str]:
    """Count what is renamed, removed and appended below a folder, and end all before one of these."""
    events: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def wrapped(path: Any, *arguments: Any, **named: Any) -> Any:
            place = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)
            if not str(place).startswith(str(folder)) or len(events) > at >= 0:
                return real(path, *arguments, **named)
            events.append(f"{name} {place}")
            if len(events) - 1 == at:
                raise KilledError
            return real(path, *arguments, **named)

        monkeypatch.setattr(os, name, wrapped)

    for name in ("replace", "rename", "unlink", "rmdir", "write"):
        wrap(name)
    return events


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("change", [twin_beside, twin_instead, twin_gone, spoilt])
def test_a_kill_between_any_two_steps_leaves_nothing_stale(
    change: Callable[[SharedToy], None], undone: bool, every: int, with_twins: SharedToy, tmp_path: Path
) -> None:
    """Whether the next run finds the list as the killed one had it, or as it was before."""
    kept = list(with_twins.keys)

    def run_killed(here: SharedToy, at: int) -> list[str]:
        shutil.copytree(with_twins.root, here.root)
        change(here)
        with pytest.MonkeyPatch.context() as patch, suppress(KilledError):
            events = count_and_kill(patch, here.dataset_dir, at)
            here.run()
        release()
        return events

    events = run_killed(replace(with_twins, root=tmp_path / "undisturbed", keys=list(kept)), -1)
    assert len(events) > 5
    for at in range(0, len(events), every):
        here = replace(with_twins, root=tmp_path / f"at{at}", keys=list(kept))
        run_killed(here, at)
        if undone:
            here.keys = list(kept)
            write(here, "ann/a.wav")
        here.run()
        release()
        try:
            check_settled(here)
        except AssertionError as error:
            raise AssertionError(f"killed before {events[at]}") from error


def test_names_in_a_ledger_remove_nothing_outside(shared: SharedToy) -> None:
    shared.run()
    outside = shared.root / "results" / "toy" / "mine"
    outside.write_text("mine")
    path = list_shards(shared.ledger_dir)["00000"][0]
    row = read_shard(shared.ledger_dir, "00000").rows["ann/a.wav"]
    for name in ("../mine", ".state/members"):
        row["files"][name] = [4, "0"]
    with path.open("ab") as file:
        file.write(encode_row(row))
    write(shared, "ann/a.wav", "bad now")
    shared.run()
    assert outside.exists()
    assert (shared.state / "members").exists()
    assert shared.index()["failed"] == ["ann/a.wav"]


@pytest.mark.parametrize("key", ["a\nb.wav", "a\rb.wav", "a\udcff.wav", "", "a\0.wav"])
def test_a_key_that_cannot_be_written_in_a_line_is_refused_and_named(shared: SharedToy, key: str) -> None:
    stage = shared.stage()
    entries = list(stage.read_list())
    stage = shared.stage(read_list=lambda: [*entries, entries[0]._replace(key=key)])
    for scratch in (shared.root, None):
        with pytest.raises(PlanningError) as caught:
            plan_dataset(stage, scratch=scratch)
        assert f"the list names a sample {key!r}; no key may be empty, nor hold a line break" in str(caught.value)
    assert not (shared.state / "members").exists()
    assert not shared.work.exists()


def test_a_key_may_be_a_path_of_any_length_when_it_is_asked_for_alone(shared: SharedToy, tmp_path: Path) -> None:
    key = f"{'d' * 200}/{'e' * 200}/f.wav"
    shared.keys.append(key)
    write(shared, key)
    (tmp_path / "scratch").mkdir()
    shown = plan_single(shared.stage(), key, scratch=tmp_path / "scratch", inner=False)
    assert (shown.path.read_bytes(), shown.current) == (b"", False)
    single = plan_single(shared.stage(), key, scratch=None, inner=False)
    assert plan_single(shared.stage(), key, scratch=None, inner=True).path == single.path
    assert [sample.key for sample in read_plan(single.path)[1]] == [key]
    other = plan_single(shared.stage(), "c.wav", scratch=None, inner=False)
    assert other.path != single.path


def test_sources_of_one_collection_in_many_shards_are_settled_shard_by_shard(shared: SharedToy) -> None:
    """A whole collection in another format: no sample keeps its key, and all keep their files."""
    shared.run()
    old = list(shared.keys)
    shared.keys = [key.replace(".wav", ".flac") for key in old]
    for key in shared.keys:
        write(shared, key)
    assert shared.run().n_unwanted == 4
    assert texts(shared) == wanted_files(shared)
    assert all(rows(shared)[key]["files"] == [] for key in old)
    # Once more costs nothing, and the old keys own nothing.
    files = everything(shared.ledger_dir)
    shared.run()
    assert everything(shared.ledger_dir) == files


def test_remake_and_verify_reach_samples_in_shared_folders(shared: SharedToy) -> None:
    shared.run()
    path = shared.dataset_dir / "upper" / "c.txt"
    path.write_bytes(b"X" * path.stat().st_size)
    assert shared.run().n_to_make == 0
    shared.options = PlanOptions(verify="digest")
    assert shared.run().n_to_make == 1
    assert shared.held("c.wav") == expected_contents("text c.wav", "", 1)
    shared.options = PlanOptions(remake="c.wav")
    assert shared.run().n_to_make == 1


def test_a_list_that_rules_a_sample_out_needs_to_name_no_files(shared: SharedToy) -> None:
    entry = json.dumps({"source": "c.wav", "error": ["odd_name", "no"]}).encode()
    stage = shared.stage()
    entries = [e if e.key != "c.wav" else e._replace(entry=entry) for e in stage.read_list()]
    stage = shared.stage(read_list=lambda: entries)
    plan = plan_dataset(stage, scratch=None)
    for shard in shared.due(plan):
        shared.answer(plan, shard)
    assert rows(shared)["c.wav"]["error"] == "odd_name"
