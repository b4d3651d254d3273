"""Pruning: what no longer is wanted goes, nothing else does, and a kill costs nothing."""

import os
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout
from scripts.shared.errors import JobError, PlanningError
from scripts.shared.ledger import LedgerWriter, list_shards, read_shard
from scripts.shared.locks import LockFile
from scripts.shared.planning.members import read_members
from scripts.shared.planning.planner import plan_dataset
from scripts.upkeep import prune as prune_module
from scripts.upkeep.prune import prune
from scripts.upkeep.prune_plan import PruneCounts, PrunePlan, check_prune, describe_prune, plan_prune
from tests.snakemake_run import contents, everything
from tests.toy_system import FILES, SharedToy, Toy


@pytest.fixture
def shrunk(made_toy: Toy) -> Toy:
    """Five samples on record, of which the list wants three."""
    made_toy.keys = ["d", "c", "e"]
    return made_toy


def plan_of(toy: Toy) -> PrunePlan:
    return plan_prune([toy.stage()])[0]


def test_what_the_list_no_longer_wants_goes_with_its_rows_and_all_else_stays(shrunk: Toy) -> None:
    before = contents(shrunk.dataset_dir)
    plan, counts = plan_prune([shrunk.stage()])
    assert plan.keys == ["a", "b"]
    assert counts == PruneCounts(n_on_record=5, n_wanted=3, n_bytes=2 * 64 + len("6 ") * 2)
    prune(plan)
    assert contents(shrunk.dataset_dir) == {name: d for name, d in before.items() if name[:2] not in ("a/", "b/")}
    assert not (shrunk.dataset_dir / "a").exists()
    assert plan_of(shrunk).keys == []
    planned = shrunk.run()
    assert planned.n_to_make == 0
    assert planned.n_unwanted == 0


def test_a_pruned_sample_that_comes_back_is_new_and_moves_no_other(shrunk: Toy) -> None:
    shard_of = read_members(layout.members_file(shrunk.dataset_dir), []).shard_of
    prune(plan_of(shrunk))
    shrunk.keys = ["d", "b", "c", "a", "e"]
    planned = shrunk.run()
    assert sum(status.reasons["new"] for status in planned.statuses) == planned.n_to_make == 2
    now = read_members(layout.members_file(shrunk.dataset_dir), []).shard_of
    assert {key: now[key] for key in "cd"} == {key: shard_of[key] for key in "cd"}
    assert shrunk.index()["made"] == ["d", "b", "c", "a"]


def test_planning_to_prune_writes_nothing(shrunk: Toy) -> None:
    before = everything(shrunk.root)
    plan_of(shrunk)
    assert everything(shrunk.root) == before


def test_a_foreign_file_keeps_its_folder_and_is_named(shrunk: Toy, caplog: pytest.LogCaptureFixture) -> None:
    (shrunk.dataset_dir / "a" / "notes.txt").write_text("mine")
    prune(plan_of(shrunk))
    assert [path.name for path in (shrunk.dataset_dir / "a").iterdir()] == ["notes.txt"]
    assert "a/notes.txt stays" in caplog.text


def test_a_folder_that_is_a_link_loses_the_link_and_nothing_behind_it(shrunk: Toy, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (shrunk.dataset_dir / "a").rename(elsewhere)
    (shrunk.dataset_dir / "a").symlink_to(elsewhere)
    prune(plan_of(shrunk))
    assert sorted(path.name for path in elsewhere.iterdir()) == sorted(FILES)
    assert not (shrunk.dataset_dir / "a").is_symlink()


@pytest.mark.parametrize("key", ["../outside", "/etc", "..", ".state", "", "x\0y"])
def test_a_key_that_is_a_path_removes_nothing(made_toy: Toy, key: str) -> None:
    toy = made_toy
    (toy.root / "results" / "toy" / "outside").mkdir()
    before = everything(toy.root)
    with pytest.raises(JobError, match=r"\.state: a ledger has a row for .* names nothing in a folder; nothing was"):
        prune(PrunePlan("toy toys", str(toy.dataset_dir), {"words": list(FILES)}, ["a", key], []))
    assert everything(toy.root) == before


@pytest.mark.parametrize("n_removed", [0, 1, 2, 3])
def test_a_prune_that_is_killed_is_finished_by_the_next(
    shrunk: Toy, n_removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    whole = prune_module._remove_sample, prune_module.compact

    def killed_after(function: object) -> object:
        def killing(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls > n_removed:
                raise KeyboardInterrupt
            return function(*arguments)  # type: ignore[operator]

        return killing

    monkeypatch.setattr(prune_module, "_remove_sample", killed_after(whole[0]))
    monkeypatch.setattr(prune_module, "compact", killed_after(whole[1]))
    with pytest.raises(KeyboardInterrupt):
        prune(plan_of(shrunk))
    monkeypatch.undo()
    plan = plan_of(shrunk)
    assert plan.keys or plan.never_made
    prune(plan)
    assert sorted(path.name for path in shrunk.dataset_dir.iterdir() if path.is_dir()) == [".state", "c", "d"]
    assert shrunk.run().n_unwanted == 0


def test_a_shard_at_work_keeps_its_samples_and_says_so(shrunk: Toy) -> None:
    members = read_members(layout.members_file(shrunk.dataset_dir), []).shard_of
    lock = LockFile(layout.shard_lock(shrunk.dataset_dir, "words", f"{members['a']:05d}"))
    assert lock.acquire(wait=False)
    with pytest.raises(JobError, match=rf"1 samples are left, because jobs work on .* \(pid {os.getpid()} on"):
        prune(plan_of(shrunk))
    lock.release()
    assert (shrunk.dataset_dir / "a").is_dir()
    assert not (shrunk.dataset_dir / "b").exists()
    assert plan_of(shrunk).keys == ["a"]
    prune(plan_of(shrunk))
    assert not (shrunk.dataset_dir / "a").exists()


def test_failed_and_interrupted_samples_go_too(made_toy: Toy) -> None:
    writer = LedgerWriter(made_toy.ledger_dir, "00001", {})
    writer.append({"key": "c", "status": "making"})
    writer.close()
    made_toy.keys = ["d", "a", "b"]
    assert plan_of(made_toy).keys == ["c", "e"]
    prune(plan_of(made_toy))
    assert not (made_toy.dataset_dir / "c").exists()
    assert made_toy.run().n_unwanted == 0


def test_keys_that_were_never_made_are_forgotten(toy: Toy) -> None:
    plan_dataset(toy.stage(), scratch=None)
    toy.keys = ["d"]
    plan = plan_of(toy)
    assert (plan.keys, plan.never_made) == ([], ["a", "b", "c"])
    prune(plan)
    assert list(read_members(layout.members_file(toy.dataset_dir), []).shard_of) == ["d"]


@pytest.mark.parametrize(("kept", "stops"), [(["d", "c", "a"], False), (["d", "c"], True), ([], True)])
def test_more_than_half_or_an_empty_list_needs_a_word(made_toy: Toy, kept: list[str], stops: bool) -> None:
    made_toy.keys = kept
    plan, counts = plan_prune([made_toy.stage()])
    if stops:
        with pytest.raises(PlanningError, match=r"Nothing was removed. --config prune_most=ok"):
            check_prune(plan, counts, prune_most="stop")
    else:
        check_prune(plan, counts, prune_most="stop")
    check_prune(plan, counts, prune_most="ok")


def test_an_empty_list_with_nothing_on_record_is_no_mistake() -> None:
    check_prune(PrunePlan("toy", "x", {}, [], []), PruneCounts(0, 0, 0), prune_most="stop")


def test_the_words_name_how_many_how_large_and_the_first_twenty(shrunk: Toy) -> None:
    plan = PrunePlan("toy toys", "x", {}, [f"k{number:02d}" for number in range(23)], [])
    lines = describe_prune(plan, PruneCounts(50, 27, 2_500_000), shrunk.stage(), dry=True)
    assert "23 of 50 samples on record are no longer wanted; toy_prune would remove their files, 2.5 MB" in lines[0]
    assert lines[1:21] == [f"  k{number:02d}" for number in range(20)]
    assert lines[21:] == ["  ... and 3 more; the log names all"]


def test_an_index_that_still_lists_them_is_told(shrunk: Toy) -> None:
    plan, counts = plan_prune([shrunk.stage()])
    assert "run all_toy" in describe_prune(plan, counts, shrunk.stage(), dry=False)[-1]
    shrunk.run()
    assert "run all_toy" not in describe_prune(plan, counts, shrunk.stage(), dry=False)[-1]


@pytest.fixture
def shrunk_shared(made_shared: SharedToy) -> SharedToy:
    """Five samples on record, of which the list wants three; `bob` holds nothing else then."""
    made_shared.keys = ["ann/b.wav", "c.wav", "bob/e.wav"]
    return made_shared


def texts(toy: Toy) -> list[str]:
    return sorted(name for name in contents(toy.dataset_dir) if name.endswith(".txt"))


def test_files_in_shared_folders_go_one_by_one_and_then_empty_folders(shrunk_shared: SharedToy) -> None:
    toy = shrunk_shared
    (toy.dataset_dir / "empty").mkdir()
    plan, counts = plan_prune([toy.stage()])
    assert plan.keys == ["ann/a.wav", "bob/a.wav"]
    assert counts.n_bytes == 2 * 64 + len("14 ") * 2
    prune(plan)
    assert texts(toy) == ["count/ann/b.txt", "count/c.txt", "upper/ann/b.txt", "upper/c.txt"]
    folders = sorted(str(path.relative_to(toy.dataset_dir)) for path in toy.dataset_dir.glob("[!.]*/**/"))
    assert folders == ["count", "count/ann", "empty", "upper", "upper/ann"]
    planned = toy.run()
    assert (planned.n_to_make, planned.n_unwanted) == (0, 0)


@pytest.mark.parametrize("n_removed", range(4))
def test_a_prune_of_shared_folders_that_is_killed_is_finished_by_the_next(
    shrunk_shared: SharedToy, n_removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, removed = os.unlink, []

    def unlink(path: Path, **named: Any) -> None:
        if str(path).endswith(".txt"):
            if len(removed) == n_removed:
                raise KeyboardInterrupt
            removed.append(path)
        real(path, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        with pytest.raises(KeyboardInterrupt):
            prune(plan_of(shrunk_shared))
    prune(plan_of(shrunk_shared))
    assert len(texts(shrunk_shared)) == 4
    assert shrunk_shared.run().n_unwanted == 0


def test_what_an_interrupted_sample_has_on_record_goes_too(shrunk_shared: SharedToy) -> None:
    toy = shrunk_shared
    shard = next(s for s in list_shards(toy.ledger_dir) if "bob/a.wav" in read_shard(toy.ledger_dir, s).rows)
    writer = LedgerWriter(toy.ledger_dir, shard, {})
    writer.append({"key": "bob/a.wav", "status": "making", "files": ["upper/bob/a.txt", "upper/bob/a.wav.txt"]})
    writer.close()
    (toy.dataset_dir / "upper" / "bob" / "a.wav.txt").write_text("new")
    prune(plan_of(toy))
    assert [name for name in texts(toy) if name.startswith("upper/bob")] == []


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", ".state/members", "link/outside"])
def test_a_name_on_record_that_leads_elsewhere_removes_nothing(
    shrunk_shared: SharedToy, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    toy = shrunk_shared
    elsewhere = toy.dataset_dir.parent
    (elsewhere / "outside").write_text("mine")
    (toy.dataset_dir / "link").symlink_to(elsewhere)
    shard = next(s for s in list_shards(toy.ledger_dir) if "ann/a.wav" in read_shard(toy.ledger_dir, s).rows)
    writer = LedgerWriter(toy.ledger_dir, shard, {})
    row = read_shard(toy.ledger_dir, shard).rows["ann/a.wav"]
    writer.append({**row, "files": {**row["files"], name: [4, "0"]}})
    writer.close()
    prune(plan_of(toy))
    assert (elsewhere / "outside").read_text() == "mine"
    assert (toy.state / "members").exists()
    assert f"{name} stays: it is not Polymill's" in caplog.text
    assert "upper/ann/a.txt" not in texts(toy)


def test_a_key_is_no_path_where_samples_share_folders(shrunk_shared: SharedToy) -> None:
    outside = shrunk_shared.dataset_dir.parent / "outside"
    outside.mkdir()
    (outside / "upper.txt").write_text("mine")
    writer = LedgerWriter(shrunk_shared.ledger_dir, "00000", {})
    writer.append({"key": "../outside", "status": "ok", "files": {"upper.txt": [4, "0"]}})
    writer.close()
    assert "../outside" in plan_of(shrunk_shared).keys
    prune(plan_of(shrunk_shared))
    assert (outside / "upper.txt").read_text() == "mine"
