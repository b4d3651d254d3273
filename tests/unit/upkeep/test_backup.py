"""Snapshots: whole or hidden, linked where nothing changed, and as good as what they are of."""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import layout
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.ledger import LedgerWriter, list_shards, read_shard
from scripts.shared.locks import LockFile
from scripts.shared.worker_process import load_function
from scripts.upkeep import backup, backup_shard
from scripts.upkeep.backup import DatasetToBackUp, back_up, snapshots
from scripts.upkeep.folder_apart import check_folder_apart
from scripts.upkeep.sha256sums import read_sums, sha256_of, sum_key, sum_line
from tests.snakemake_run import contents, everything
from tests.toy_system import FILES, SharedToy, Toy

SAMPLES = ("a", "b", "c", "d")


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work without worker processes, so that a test can break in."""

    def run_tasks(function: str, tasks: Iterable[Any], **_: Any) -> Iterator[tuple[Any, Any]]:
        return ((task, load_function(function)(task)) for task in tasks)

    monkeypatch.setattr(backup, "run_tasks", run_tasks)


def task_of(toy: Toy, keep: int = 3) -> DatasetToBackUp:
    place = toy.root / "backup"
    return DatasetToBackUp("toy toys", str(toy.dataset_dir), ["words"], str(place), str(place / "toy" / "toys"), keep)


def copy(toy: Toy, keep: int = 3) -> Path:
    """Back up; the snapshot."""
    made = back_up(task_of(toy, keep), workers=1)
    return Path(made["snapshot"])


def inodes(snapshot: Path) -> dict[str, int]:
    return {f"{key}/{name}": (snapshot / key / name).stat().st_ino for key in SAMPLES for name in FILES}


def visible(toy: Toy) -> list[Path]:
    folder = toy.root / "backup" / "toy" / "toys"
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def restore(snapshot: Path, toy: Toy) -> Toy:
    """The toy whose results are a copy of a snapshot, as `cp -a` makes it."""
    restored = replace(toy, dataset=f"restored-{snapshot.name.replace('.', '-')}")
    subprocess.run(["cp", "-a", str(snapshot), str(restored.dataset_dir)], check=True)
    return restored


def test_a_snapshot_is_a_whole_tree_and_its_sums_are_right(made_toy: Toy) -> None:
    (made_toy.dataset_dir / "figures" / "deep").mkdir(parents=True)
    (made_toy.dataset_dir / "figures" / "deep" / "one.png").write_bytes(b"picture")
    snapshot = copy(made_toy)
    assert contents(snapshot, without=(".state", "SHA256SUMS")) == contents(made_toy.dataset_dir)
    listed = (snapshot / "SHA256SUMS").read_text().splitlines()
    files = {str(p.relative_to(snapshot)) for p in snapshot.rglob("*") if p.is_file()}
    assert {line[66:] for line in listed} == files - {"SHA256SUMS"}
    assert len(listed) == len(files) - 1
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=snapshot, check=True)
    assert visible(made_toy) == [snapshot]


def test_a_restored_snapshot_plans_to_nothing(made_toy: Toy) -> None:
    restored = restore(copy(made_toy), made_toy)
    stats = {key: (restored.dataset_dir / key).stat().st_mtime_ns for key in SAMPLES}
    rows = {k: r for s in list_shards(made_toy.ledger_dir) for k, r in read_shard(made_toy.ledger_dir, s).rows.items()}
    assert stats == {key: rows[key]["folder_mtime_ns"] for key in SAMPLES}
    plan = restored.run()
    assert plan.n_to_make == 0
    assert plan.notes == []
    assert restored.index() == made_toy.index()


def test_what_did_not_change_is_linked_and_what_changed_is_copied(made_toy: Toy) -> None:
    first = copy(made_toy)
    made_toy.source("a").write_text("other a")
    made_toy.run()
    second = copy(made_toy)
    before, now = inodes(first), inodes(second)
    assert {name for name in now if now[name] != before[name]} == {"a/upper.txt", "a/count.txt"}
    assert (second / "a" / "upper.txt").read_text().startswith("OTHER A")
    assert (first / "a" / "upper.txt").read_text().startswith("TEXT A")
    for snapshot in (first, second):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=snapshot, check=True)


def test_where_links_are_not_supported_all_is_copied(made_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    first = copy(made_toy)

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    second = copy(made_toy)
    assert set(inodes(first).values()).isdisjoint(inodes(second).values())
    assert contents(first / "a") == contents(second / "a")


def test_a_damaged_sample_is_named_and_left_out(made_toy: Toy, caplog: pytest.LogCaptureFixture) -> None:
    (made_toy.dataset_dir / "a" / "upper.txt").write_bytes(b"X" * 64)
    (made_toy.dataset_dir / "b" / "count.txt").unlink()
    made = back_up(task_of(made_toy), workers=1)
    assert made["left_out"] == {
        "a": "upper.txt does not hold what was written",
        "b": "count.txt: No such file or directory",
    }
    assert "damaged: a is left out (upper.txt does not hold what was written)" in caplog.text
    snapshot = Path(made["snapshot"])
    assert not (snapshot / "a").exists()
    assert not (snapshot / "b").exists()
    assert b"a/" not in (snapshot / "SHA256SUMS").read_bytes().replace(b"sha256/", b"").replace(b".state/", b"")
    plan = restore(snapshot, made_toy).run()
    assert plan.n_to_make == 2


def test_what_the_snapshot_before_has_of_a_damaged_sample_is_kept(made_toy: Toy) -> None:
    whole = contents(copy(made_toy), without=(".state", "SHA256SUMS"))
    (made_toy.dataset_dir / "a" / "upper.txt").write_bytes(b"X")
    shutil.rmtree(made_toy.dataset_dir / "b")
    made = back_up(task_of(made_toy), workers=1)
    assert made["left_out"] == {}
    assert sorted(made["kept_from_the_snapshot_before"]) == ["a", "b"]
    assert contents(Path(made["snapshot"]), without=(".state", "SHA256SUMS")) == whole


def break_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int) -> list[Path]:
    """Let the function of that name be interrupted at a call; the targets of the calls before."""
    whole: Callable[..., Any] = getattr(backup_shard, name)
    done: list[Path] = []

    def breaking(source: Path, target: Path, **more: Any) -> Any:
        if len(done) == call:
            target.write_bytes(b"torn")
            raise KeyboardInterrupt
        done.append(target)
        return whole(source, target, **more)

    monkeypatch.setattr(backup_shard, name, breaking)
    monkeypatch.setattr(backup, name, breaking)
    return done


@pytest.mark.parametrize("call", range(11))
def test_an_interrupted_backup_is_hidden_and_the_next_goes_on(
    made_toy: Toy, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = break_at(monkeypatch, "copy_file", call)
    with pytest.raises(KeyboardInterrupt):
        copy(made_toy)
    assert visible(made_toy) == []
    monkeypatch.undo()
    again = break_at(monkeypatch, "copy_file", 1000)
    monkeypatch.setattr(backup, "run_tasks", lambda f, tasks, **_: [(t, load_function(f)(t)) for t in tasks])
    snapshot = copy(made_toy)
    assert contents(snapshot, without=(".state", "SHA256SUMS")) == contents(made_toy.dataset_dir)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=snapshot, check=True)
    of_samples = [[path.parts[-2:] for path in paths if path.name in FILES] for paths in (copied, again)]
    assert len(of_samples[0]) == min(call, 8)
    assert sorted(of_samples[0] + of_samples[1]) == sorted((key, name) for key in SAMPLES for name in FILES)
    assert [path.name for path in snapshot.parent.iterdir() if path.name.startswith(".")] == [".lock"]


def test_an_interrupted_backup_gives_nothing_that_changed_since(made_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    break_at(monkeypatch, "copy_file", 7)
    with pytest.raises(KeyboardInterrupt):
        copy(made_toy)
    monkeypatch.undo()
    made_toy.source("a").write_text("other a")
    made_toy.keys.remove("b")
    made_toy.run()
    for name in FILES:
        (made_toy.dataset_dir / "b" / name).unlink()
    (made_toy.dataset_dir / "b").rmdir()
    made = back_up(task_of(made_toy), workers=1)
    snapshot = Path(made["snapshot"])
    assert (snapshot / "a" / "upper.txt").read_text().startswith("OTHER A")
    # On record, and right in what was copied before.
    assert list(made["kept_from_the_snapshot_before"]) == ["b"]


def test_only_the_last_are_kept_and_nothing_foreign_is_touched(made_toy: Toy) -> None:
    made = [copy(made_toy, keep=2) for _ in range(2)]
    (made[0].parent / "notes").mkdir()
    made += [copy(made_toy, keep=2) for _ in range(2)]
    assert visible(made_toy) == [*made[2:], made[0].parent / "notes"]
    assert snapshots(made[0].parent) == made[2:]
    assert copy(made_toy, keep=1).parent / "notes" in visible(made_toy)
    assert len(visible(made_toy)) == 2


def test_a_snapshot_of_nothing_pushes_no_good_one_out(made_toy: Toy) -> None:
    good = copy(made_toy, keep=1)
    shutil.rmtree(made_toy.ledger_dir)
    with pytest.raises(JobError, match="holds no finished sample: no snapshot was made"):
        copy(made_toy, keep=1)
    assert visible(made_toy) == [good]
    assert [path.name for path in good.parent.glob(".*")] == [".lock"]


def test_a_shard_at_work_is_left_out_and_no_older_snapshot_removed(
    made_toy: Toy, caplog: pytest.LogCaptureFixture
) -> None:
    first = copy(made_toy, keep=1)
    whole = contents(first / "a")
    lock = LockFile(layout.shard_lock(made_toy.dataset_dir, "words", "00000"))
    assert lock.acquire(wait=False)
    held = read_shard(made_toy.ledger_dir, "00000").rows
    made = back_up(task_of(made_toy, keep=1), workers=1)
    lock.release()
    assert made["busy_shards"].startswith(f"00000: pid {os.getpid()} on")
    assert made["samples"] == len(SAMPLES) - len(held)
    assert f"lacks (00000: pid {os.getpid()}" in caplog.text
    assert visible(made_toy)[0] == first
    last = copy(made_toy, keep=1)
    assert visible(made_toy) == [last]
    assert contents(last / "a") == whole


def test_a_copy_that_reads_otherwise_than_written_ends_the_backup(
    made_toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = copy(made_toy)
    before = everything(first)
    made_toy.source("a").write_text("other a")
    made_toy.run()
    monkeypatch.setattr(backup_shard, "sha256_of", lambda _: "0" * 64)
    with pytest.raises(JobError, match="the copy is not what was written; is the disk failing"):
        copy(made_toy)
    monkeypatch.undo()
    assert visible(made_toy) == [first]
    assert everything(first) == before


def test_a_second_backup_at_once_is_refused(made_toy: Toy) -> None:
    copy(made_toy)
    lock = LockFile(made_toy.root / "backup" / "toy" / "toys" / ".lock")
    assert lock.acquire(wait=False)
    with pytest.raises(JobError, match=r"another backup .* writes to"):
        copy(made_toy)
    lock.release()


def test_a_clock_behind_the_newest_snapshot_is_told(made_toy: Toy) -> None:
    first = copy(made_toy)
    later = first.rename(first.with_name("2999-01-01T00-00-00.000Z"))
    with pytest.raises(JobError, match="is newer than this machine's clock"):
        copy(made_toy)
    assert visible(made_toy) == [later]


def test_the_folder_must_be_there_and_apart(tmp_path: Path) -> None:
    ours = [tmp_path / "data" / "results", tmp_path / "data" / "work"]
    for folder in ours:
        folder.mkdir(parents=True)
    check_folder_apart("backup_dir", tmp_path / "backup", ours)
    for wrong, says in (
        (tmp_path / "none" / "backup", "there is no .*none; is its disk mounted"),
        (ours[0] / "backup", "results lies in it or around it"),
        (ours[1], "work lies in it or around it"),
        (tmp_path / "data", "results lies in it or around it"),
    ):
        with pytest.raises(ConfigError, match=says):
            check_folder_apart("backup_dir", wrong, ours)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="which is no folder"):
        check_folder_apart("backup_dir", tmp_path / "file", ours)
    (tmp_path / "link").symlink_to(ours[0])
    with pytest.raises(ConfigError, match="lies in it or around it"):
        check_folder_apart("backup_dir", tmp_path / "link", ours)
    for name, target in (("dangling", tmp_path / "unmounted" / "disk"), ("loop", tmp_path / "loop")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(ConfigError, match=f"{name}, a link that leads nowhere; is the disk that it names mounted"):
            check_folder_apart("backup_dir", tmp_path / name, ours)


@pytest.mark.parametrize("name", ["plain", "with space", "new\nline", "back\\slash", "r\re", "umlaut-ä", "\udcff"])
def test_sums_of_odd_names_are_read_by_sha256sum_and_by_us(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    digest = sha256_of(tmp_path / name)
    (tmp_path / "SUMS").write_bytes(sum_line(digest, name))
    assert read_sums(tmp_path / "SUMS") == {sum_key(name): digest}
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SUMS"], cwd=tmp_path, check=True)


def test_samples_in_shared_folders_come_back_as_they_were(made_shared: SharedToy) -> None:
    snapshot = copy(made_shared)
    hidden = (".state", "SHA256SUMS")
    assert contents(snapshot, without=hidden) == contents(made_shared.dataset_dir)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=snapshot, check=True)
    sums = (snapshot / "SHA256SUMS").read_text()
    assert all(f"  {name}\n" in sums for name in contents(made_shared.dataset_dir))
    plan = restore(snapshot, made_shared).run()
    assert (plan.n_to_make, plan.notes) == (0, [])


def test_in_shared_folders_what_did_not_change_is_linked_too(made_shared: SharedToy) -> None:
    first = copy(made_shared)
    made_shared.source("ann/a.wav").write_text("other a")
    made_shared.run()
    second = copy(made_shared)
    names = [name for name in contents(made_shared.dataset_dir) if name.endswith(".txt")]
    fresh = [name for name in names if (first / name).stat().st_ino != (second / name).stat().st_ino]
    assert fresh == ["count/ann/a.txt", "upper/ann/a.txt"]
    assert (first / "upper" / "ann" / "a.txt").read_text().startswith("TEXT ANN/A.WAV")


def test_a_damaged_file_in_a_shared_folder_costs_its_own_sample_alone(made_shared: SharedToy) -> None:
    (made_shared.dataset_dir / "upper" / "ann" / "a.txt").write_bytes(b"X" * 64)
    made = back_up(task_of(made_shared), workers=1)
    assert made["left_out"] == {"ann/a.wav": "a.txt does not hold what was written"}
    assert (made["samples"], made["busy_shards"]) == (3, "")
    snapshot = Path(made["snapshot"])
    assert sorted(path.name for path in (snapshot / "upper" / "ann").iterdir()) == ["b.txt"]
    assert restore(snapshot, made_shared).run().n_to_make == 1


def test_a_name_on_record_that_leads_elsewhere_is_not_followed(made_shared: SharedToy) -> None:
    mine = made_shared.dataset_dir.parent / "mine"
    mine.write_text("mine")
    shard = next(
        s for s in list_shards(made_shared.ledger_dir) if "c.wav" in read_shard(made_shared.ledger_dir, s).rows
    )
    row = read_shard(made_shared.ledger_dir, shard).rows["c.wav"]
    writer = LedgerWriter(made_shared.ledger_dir, shard, {})
    writer.append({**row, "files": {"../mine": [4, digest_bytes(b"mine")]}})
    writer.close()
    made = back_up(task_of(made_shared), workers=1)
    assert made["left_out"] == {"c.wav": "its name, or that of a file, leads out of its folder"}
    assert not (Path(made["snapshot"]).parent / "mine").exists()


def test_a_file_that_two_rows_name_harms_no_older_snapshot(made_shared: SharedToy) -> None:
    """No run leaves such rows; a ledger put together by hand may."""
    first = copy(made_shared)
    before = everything(first)
    rows = {s: read_shard(made_shared.ledger_dir, s).rows for s in list_shards(made_shared.ledger_dir)}
    shard = next(s for s in rows if "ann/a.wav" in rows[s])
    path = made_shared.dataset_dir / "upper" / "ann" / "a.txt"
    path.write_bytes(b"Y" * 64)
    writer = LedgerWriter(made_shared.ledger_dir, shard, {})
    writer.append(
        {**rows[shard]["ann/a.wav"], "key": "zoe", "files": {"upper/ann/a.txt": [64, digest_bytes(b"Y" * 64)]}}
    )
    writer.close()
    made = back_up(task_of(made_shared), workers=1)
    assert made["left_out"] == {"zoe": "upper/ann/a.txt is another sample's too"}
    assert everything(first) == before
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=made["snapshot"], check=True)


def test_other_files_that_the_system_names_are_copied_and_no_links(made_shared: SharedToy) -> None:
    folder = made_shared.dataset_dir
    for name in ("result.json", "zoom.png", "speaker_001/a.wav", "notes.txt"):
        (folder / "boundaries" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "boundaries" / name).write_text(name)
    (folder / "boundaries" / "link.json").symlink_to("result.json")
    (folder / "upper" / "stats.json").write_text("{}")
    patterns = ["boundaries/*.json", "boundaries/*.png", "upper/stats.json"]
    made = back_up(replace(task_of(made_shared), kept_files=patterns), workers=1)
    snapshot = Path(made["snapshot"])
    assert sorted(path.name for path in (snapshot / "boundaries").rglob("*")) == ["result.json", "zoom.png"]
    assert (snapshot / "upper" / "stats.json").exists()
    listed = {line[66:] for line in (snapshot / "SHA256SUMS").read_text().splitlines()}
    assert listed == {str(p.relative_to(snapshot)) for p in snapshot.rglob("*") if p.is_file()} - {"SHA256SUMS"}
