"""Snapshots of a dataset's results on another disk.

`<backup_dir>/<system>/<dataset>/<UTC time>/` is a tree like the results': `cp -a` of it brings them back, and the
planner finds nothing to make. A file that did not change is a link to that of the snapshot before. A snapshot has a
hidden name until it is whole; what a backup was doing when it was ended, the next one goes on with.
"""

import logging
import math
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from scripts.shared import atomic_files, layout
from scripts.shared.errors import JobError, SampleError
from scripts.shared.ledger import list_shards
from scripts.shared.locks import LockFile
from scripts.shared.planning.members import read_members
from scripts.shared.progress import Progress
from scripts.shared.worker_pool import run_tasks
from scripts.upkeep.backup_shard import DamagedError, ShardBackup, ShardToBackUp, copy_file, disk_error
from scripts.upkeep.folder_apart import check_folder_apart
from scripts.upkeep.live_database import copy_live, is_beside_live, is_live
from scripts.upkeep.sha256sums import sha256_of, sum_line

SUMS = "SHA256SUMS"
_UNFINISHED, _REMOVING = ".unfinished-", ".removing-"
_SNAPSHOT = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z")
_NAMED = 20  # damaged samples that the terminal shows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DatasetToBackUp:
    """What the job is asked.

    Attributes:
        label: the dataset in words: `clip4mc train`.
        dataset_dir: the dataset's results folder.
        stages: names of its stages.
        backup_dir: the folder that the user named.
        folder: the folder of the dataset's snapshots in it.
        keep: how many of them to keep.
        kept_files: patterns of other files in the dataset's folder that are to be copied.
    """

    label: str
    dataset_dir: str
    stages: list[str]
    backup_dir: str
    folder: str
    keep: int
    kept_files: list[str] = field(default_factory=list)


def back_up(task: DatasetToBackUp, *, workers: int) -> dict[str, Any]:
    """Write a snapshot of a dataset, then remove those that are more than `keep`.

    Args:
        task: the dataset.
        workers: processes.

    Returns:
        The snapshot and what it holds, as plain JSON types.

    Raises:
        ConfigError: the disk of the backups is not there.
        JobError: another backup is going on, or a disk refuses. Earlier snapshots are as they were.
    """
    check_folder_apart("backup_dir", Path(task.backup_dir), [Path(task.dataset_dir)])
    folder = Path(task.folder)
    lock = LockFile(folder / ".lock")
    try:
        if not lock.acquire(wait=False):
            raise JobError(f"[{task.label}] another backup ({lock.holder()}) writes to {folder}; wait for it")
        return _back_up(task, folder, workers)
    except OSError as error:
        raise disk_error(task.label, error, folder) from error
    finally:
        lock.release()


def snapshots(folder: Path) -> list[Path]:
    """The whole snapshots in a dataset's backup folder, oldest first."""
    return sorted(path for path in folder.iterdir() if _SNAPSHOT.fullmatch(path.name))


class Begun(NamedTuple):
    """A snapshot in the making.

    Attributes:
        snapshot: its folder, hidden until it is whole.
        before: the whole ones, oldest first.
        unfinished: those of backups that were ended, newest first.
    """

    snapshot: Path
    before: list[Path]
    unfinished: tuple[Path, ...]


def begin_snapshot(label: str, folder: Path) -> Begun:
    """Make the folder of a new snapshot.

    Args:
        label: what is backed up, in words.
        folder: of its snapshots; this process holds the lock.

    Raises:
        JobError: a snapshot is of a later time than now.
    """
    for path in folder.glob(f"{_REMOVING}*"):
        shutil.rmtree(path)
    before = snapshots(folder)
    name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3] + "Z"
    if before and name <= before[-1].name:
        raise JobError(f"[{label}] {before[-1]} is newer than this machine's clock ({name}); set the clock")
    unfinished = tuple(sorted(folder.glob(f"{_UNFINISHED}*"), reverse=True))
    snapshot = folder / f"{_UNFINISHED}{name}"
    snapshot.mkdir()
    return Begun(snapshot, before, unfinished)


def finish_snapshot(begun: Begun) -> Path:
    """Give a snapshot that is whole its name, and remove the unfinished ones."""
    atomic_files.sync_folder(begun.snapshot)
    folder = begun.snapshot.parent
    whole = begun.snapshot.rename(folder / begun.snapshot.name.removeprefix(_UNFINISHED))
    atomic_files.sync_folder(folder)
    for path in begun.unfinished:
        shutil.rmtree(path)
    return whole


def _back_up(task: DatasetToBackUp, folder: Path, workers: int) -> dict[str, Any]:
    begun = begin_snapshot(task.label, folder)
    snapshot, before = begun.snapshot, begun.before
    done = _copy_samples(task, snapshot, begun.unfinished, before[-1] if before else None, workers)
    if not done.n_samples and not done.busy:
        # A whole snapshot of nothing would push a good one out.
        shutil.rmtree(snapshot)
        raise JobError(
            f"[{task.label}] {task.dataset_dir} holds no finished sample: no snapshot was made, earlier ones are kept"
        )
    _copy_the_rest(task, snapshot)
    whole = finish_snapshot(begun)
    log.info(
        "[%s] %s: %d samples%s; %d files copied (%.1f MB), %d linked to the snapshot before",
        task.label, whole, done.n_samples, _of_stages(task), done.n_copied, done.n_bytes / 1e6, done.n_linked,
    )  # fmt: skip
    if done.busy:
        log.warning("[%s] jobs work on shards that this snapshot therefore lacks (%s): older ones are all kept",
                    task.label, done.busy)  # fmt: skip
    else:
        remove_old([*before, whole], task.keep)
    return {
        "snapshot": str(whole),
        "samples": done.n_samples,
        "left_out": done.left_out,
        "kept_from_the_snapshot_before": done.kept,
        "busy_shards": done.busy,
    }


def _copy_samples(
    task: DatasetToBackUp, snapshot: Path, unfinished: tuple[Path, ...], newest: Path | None, workers: int
) -> ShardBackup:
    dataset_dir = Path(task.dataset_dir)
    shards = [
        ShardToBackUp(task.label, dataset_dir, stage, shard, snapshot, unfinished, newest)
        for stage in task.stages
        for shard in list_shards(layout.ledger_dir(dataset_dir, stage))
    ]
    total = ShardBackup()
    busy = []
    n_samples = len(read_members(layout.members_file(dataset_dir), []).shard_of) * len(task.stages)
    progress = Progress(f"{task.label} backup", total=n_samples, log=log)
    results = run_tasks("scripts.upkeep.backup_shard:back_up_shard", shards, workers=workers, timeout_s=math.inf)
    for shard, result in results:
        if isinstance(result, SampleError):
            raise JobError(
                f"[{task.label}] shard {_shard_words(task, shard)} could not be copied: {result}; run again: it goes on"
            )
        done: ShardBackup = result
        if done.busy:
            busy.append(f"{_shard_words(task, shard)}: {done.busy}")
        for _ in range(done.n_samples):
            progress.step(failed=None)
        for number, (key, why) in enumerate({**done.left_out, **done.kept}.items()):
            how = "is left out" if key in done.left_out else "is that of the snapshot before"
            level = logging.WARNING if number < _NAMED else logging.DEBUG
            log.log(level, "[%s] damaged: %s %s (%s)", task.label, key, how, why)
        total = ShardBackup(
            total.n_samples + done.n_samples,
            total.n_linked + done.n_linked,
            total.n_copied + done.n_copied,
            total.n_bytes + done.n_bytes,
            left_out=total.left_out | done.left_out,
            kept=total.kept | done.kept,
        )
    progress.end()
    return replace(total, busy=", ".join(sorted(busy)))


def _of_stages(task: DatasetToBackUp) -> str:
    return f" of {len(task.stages)} stages" if len(task.stages) > 1 else ""


def _shard_words(task: DatasetToBackUp, shard: ShardToBackUp) -> str:
    return f"{shard.stage} {shard.shard}" if len(task.stages) > 1 else shard.shard


def _copy_the_rest(task: DatasetToBackUp, snapshot: Path) -> None:
    """Copy what belongs to no sample, and write the sums of all."""
    dataset_dir = Path(task.dataset_dir)
    for path in _other_files(dataset_dir, task.kept_files):
        target = snapshot / path.relative_to(dataset_dir)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if is_live(path):
                copy_live(path, target)
            else:
                copy_file(path, target)
        except DamagedError as error:
            log.warning("[%s] left out: %s", task.label, error)
            target.unlink(missing_ok=True)
    sums = sorted(layout.state_dir(snapshot).glob("*/sha256/*"))
    lines = [path.read_bytes() for path in sums]
    others = {*_other_files(snapshot, task.kept_files), *layout.state_dir(snapshot).rglob("*")}
    lines += [sum_line(sha256_of(path), str(path.relative_to(snapshot))) for path in sorted(others) if path.is_file()]
    atomic_files.write_bytes(snapshot / SUMS, b"".join(lines))


def _other_files(dataset_dir: Path, kept_files: list[str]) -> Iterator[Path]:
    """Yield the index files, the figures, what else is asked for, and the membership."""
    patterns = {"*", "figures/**/*", *kept_files}
    for path in sorted({path for pattern in patterns for path in dataset_dir.glob(pattern)}):
        strange = path.is_symlink() or path.name.startswith(".") or path.name == SUMS or is_beside_live(path)
        if path.is_file() and not strange:
            yield path
    members = layout.members_file(dataset_dir)
    if members.exists():
        yield members


def remove_old(whole: list[Path], keep: int) -> None:
    """Remove the oldest snapshots, all but the last `keep`."""
    for path in whole[:-keep]:
        # Under another name at once: a snapshot that is half removed must not pass for one.
        removing = path.rename(path.with_name(f"{_REMOVING}{path.name}"))
        shutil.rmtree(removing)
        log.info("removed %s", path)
