"""Snapshots of training runs on another disk: `<backup_dir>/<system>/runs/<run>/<UTC time>/`.

As those of datasets (`backup`): a tree like the run's folder, with a hidden name until it is whole; a file that did
not change is a link to that of the snapshot before. `cp -a` of it brings a run back, and it goes on.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.locks import LockFile
from scripts.shared.training import run_folder
from scripts.upkeep.backup import (
    SUMS,
    begin_snapshot,
    finish_snapshot,
    remove_old,
)
from scripts.upkeep.backup_shard import NO_LINK, DamagedError, copy_file, disk_error
from scripts.upkeep.folder_apart import check_folder_apart
from scripts.upkeep.sha256sums import read_sums, sum_key, sum_line
from scripts.upkeep.verify_run import recorded_sums

_MADE_AT = ".snakemake_timestamp"  # when a folder was made, for Snakemake: without it what is restored looks new

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunToBackUp:
    """What the job is asked.

    Attributes:
        label: the run in words: `cnclip run kl`.
        run_dir: the run's folder.
        backup_dir: the folder that the user named.
        folder: the folder of the run's snapshots in it.
        keep: how many of them to keep.
    """

    label: str
    run_dir: str
    backup_dir: str
    folder: str
    keep: int


def back_up_run(task: RunToBackUp) -> dict[str, Any]:
    """Write a snapshot of a run, also of one that trains, then remove those that are more than `keep`.

    Returns:
        The snapshot and what it holds, as plain JSON types.

    Raises:
        ConfigError: the disk of the backups is not there.
        JobError: another backup is going on, a disk refuses, or the model or all checkpoints are damaged: such a
            snapshot would push a good one out. Earlier snapshots are as they were.
    """
    check_folder_apart("backup_dir", Path(task.backup_dir), [Path(task.run_dir)])
    folder = Path(task.folder)
    lock = LockFile(folder / ".lock")
    try:
        if not lock.acquire(wait=False):
            raise JobError(f"[{task.label}] another backup ({lock.holder()}) writes to {folder}; wait for it")
        return _back_up(task, folder)
    except OSError as error:
        raise disk_error(task.label, error, folder) from error
    finally:
        lock.release()


def _back_up(task: RunToBackUp, folder: Path) -> dict[str, Any]:
    run_dir = Path(task.run_dir)
    begun = begin_snapshot(task.label, folder)
    sums: dict[str, str] = {}
    left_out = {}
    n_linked = 0
    newest = begun.before[-1] if begun.before else None
    for path in _files(run_dir):
        name = str(path.relative_to(run_dir))
        try:
            digest, linked = _put(path, begun.snapshot / name, newest, name)
        except (DamagedError, ConfigError, FileNotFoundError) as error:
            (begun.snapshot / name).unlink(missing_ok=True)
            if path.exists():  # a training that goes on removes its old checkpoints
                if isinstance(error, FileNotFoundError):
                    raise
                left_out[name] = f"{error}"
                log.warning("[%s] left out: %s", task.label, error)
            continue
        sums[name] = digest
        n_linked += linked
    if wrong := _what_lacks(run_dir, sums):
        shutil.rmtree(begun.snapshot)
        raise JobError(f"[{task.label}] {wrong}: no snapshot was made, earlier ones are kept")
    lines = [sum_line(digest, name) for name, digest in sorted(sums.items())]
    atomic_files.write_bytes(begun.snapshot / SUMS, b"".join(lines))
    whole = finish_snapshot(begun)
    log.info(
        "[%s] %s: %d files copied, %d linked to the snapshot before", task.label, whole, len(sums) - n_linked, n_linked
    )
    remove_old([*begun.before, whole], task.keep)
    return {"snapshot": str(whole), "files": len(sums), "left_out": left_out}


def _files(run_dir: Path) -> Iterator[Path]:
    """Yield what a run holds, checkpoints first: what is measured later belongs to a later step, and is cut.

    Not what is hidden, but for Snakemake's mark of a folder's time, nor the checkpoints of other settings, which were
    moved aside.
    """
    checkpoints = run_folder.checkpoints_dir(run_dir)
    aside = f"{checkpoints.name}-"
    found = [
        path
        for path in sorted(run_dir.rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not any(part.startswith(".") and part != _MADE_AT for part in path.relative_to(run_dir).parts)
        and not path.relative_to(run_dir).parts[0].startswith(aside)
    ]
    yield from sorted(found, key=lambda path: checkpoints not in path.parents)


def _put(source: Path, target: Path, newest: Path | None, name: str) -> tuple[str, bool]:
    """Give a file its place in the snapshot; its SHA-256, and whether it is a link to the snapshot before.

    Raises:
        DamagedError: it cannot be read.
        ConfigError: it is a checkpoint that is damaged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if newest is not None and (digest := _unchanged(source, newest, name)):
        try:
            os.link(newest / name, target)
        except OSError as error:
            if error.errno not in NO_LINK:
                raise
        else:
            return digest, True
    digest = copy_file(source, target)
    if target.suffix == ".pt":
        from scripts.shared.training.checkpoints import check_whole  # only a run with checkpoints needs torch

        check_whole(target)
    return digest, False


def _unchanged(source: Path, newest: Path, name: str) -> str:
    """The SHA-256 of a file that the newest snapshot has as it is now, by size and time; empty where it has not."""
    with suppress(OSError):
        now, then = source.stat(), (newest / name).stat()
        if (now.st_size, now.st_mtime_ns) == (then.st_size, then.st_mtime_ns):
            return read_sums(newest / SUMS).get(sum_key(name), "")
    return ""


def _what_lacks(run_dir: Path, sums: dict[str, str]) -> str:
    """Why a snapshot would be worth less than the one before; empty where it would not."""
    model = run_folder.model_dir(run_dir).name
    for name, digest in (recorded_sums(run_folder.record_file(run_dir)) or {}).items():
        if sums.get(f"{model}/{name}") != digest:
            return f"{run_dir / model / name} does not hold what run.json says"
    checkpoints = run_folder.checkpoints_dir(run_dir)
    there = [path.name for path in checkpoints.glob("*.pt")]
    if there and not any(f"{checkpoints.name}/{name}" in sums for name in there):
        return f"none of the {len(there)} checkpoints in {checkpoints} could be copied whole; back up again"
    return "" if sums else f"{run_dir} holds no file"
