"""Remove the samples that are no longer wanted, shard by shard. What a kill leaves, the next one removes."""

import logging
from collections.abc import Iterable
from pathlib import Path

from scripts.shared import layout
from scripts.shared.disk_errors import disk_words
from scripts.shared.errors import JobError
from scripts.shared.ledger import Row, ShardLedger, compact, list_shards, read_shard
from scripts.shared.planning.members import forget_members
from scripts.shared.sample_files import remove_empty_folders, remove_files
from scripts.upkeep.names import is_plain_name
from scripts.upkeep.prune_plan import PrunePlan
from scripts.upkeep.shard_hold import shard_held

log = logging.getLogger(__name__)


def prune(plan: PrunePlan) -> None:
    """Remove files, then rows, then memberships: so what is still there is still on record.

    The process that planned holds the dataset meanwhile, and no other plans it.

    Args:
        plan: what is to go.

    Raises:
        JobError: another job works on a shard of theirs, or the disk refuses; what was removed is removed.
    """
    dataset_dir = Path(plan.dataset_dir)
    names = {name for files in plan.files.values() for name in files}
    if plan.files.keys() - set(plan.shared):  # else no key names a folder
        names.update(plan.keys)
    for name in names:
        if not is_plain_name(name):
            raise JobError(
                f"[{plan.label}] {layout.state_dir(dataset_dir)}: a ledger has a row for {name!r:.80}, which names "
                "nothing in a folder; nothing was removed. Take that row out"
            )
    try:
        _prune(plan, dataset_dir)
    except OSError as error:
        raise JobError(f"[{plan.label}] {disk_words(error, dataset_dir, kept='it goes on')}") from error


def _prune(plan: PrunePlan, dataset_dir: Path) -> None:
    left = set(plan.keys)
    busy: list[str] = []
    shards = {shard for stage in plan.files for shard in list_shards(layout.ledger_dir(dataset_dir, stage))}
    for shard in sorted(shards):
        if not _doomed(plan, _ledgers(plan, dataset_dir, shard)):
            continue
        with shard_held(dataset_dir, plan.files, shard) as busy_with:
            if busy_with:
                busy.append(f"{shard} ({busy_with})")
            else:
                left -= _prune_shard(plan, dataset_dir, shard)
    gone = set(plan.keys) - left
    forget_members(layout.members_file(dataset_dir), gone.union(plan.never_made))
    log.info("[%s] %d samples removed", plan.label, len(gone))
    if left:
        raise JobError(
            f"[{plan.label}] {len(left):,} samples are left, because jobs work on their shards: {', '.join(busy)}; "
            "run again when these have ended"
        )


def _ledgers(plan: PrunePlan, dataset_dir: Path, shard: str) -> dict[str, ShardLedger]:
    return {stage: read_shard(layout.ledger_dir(dataset_dir, stage), shard) for stage in plan.files}


def _doomed(plan: PrunePlan, ledgers: dict[str, ShardLedger]) -> list[str]:
    return sorted(set(plan.keys).intersection(key for held in ledgers.values() for key in held.rows))


def _prune_shard(plan: PrunePlan, dataset_dir: Path, shard: str) -> set[str]:
    """Remove what is to go of a shard whose locks are held; returns the samples removed."""
    ledgers = _ledgers(plan, dataset_dir, shard)  # again: a job that just ended may have added rows
    doomed = _doomed(plan, ledgers)
    for key in doomed:
        log.debug("[%s] removes %s", plan.label, key)
        kept = [path for stage in plan.shared for path in _remove_files(dataset_dir, ledgers[stage].rows.get(key, {}))]
        if ledgers.keys() - set(plan.shared):
            kept += _remove_sample(dataset_dir / key, _own_names(plan, ledgers, key))
        for path in kept:
            log.warning("[%s] %s stays: it is not Polymill's", plan.label, path)
    for stage, held in ledgers.items():
        if held.rows.keys() & doomed:
            for key in doomed:
                held.rows.pop(key, None)
            compact(layout.ledger_dir(dataset_dir, stage), shard, held)
    return set(doomed)


def _own_names(plan: PrunePlan, ledgers: dict[str, ShardLedger], key: str) -> set[str]:
    """The names that files in a sample's own folder have."""
    known = {name for files in plan.files.values() for name in files}
    rows = (held.rows.get(key, {}) for stage, held in ledgers.items() if stage not in plan.shared)
    return known.union(name for row in rows for name in row.get("files", ()) if is_plain_name(name))


def _remove_files(dataset_dir: Path, row: Row) -> list[Path]:
    """Remove a sample's files from folders that samples share, and those in which nothing is left; what stays."""
    names = list(row.get("files", ()))
    kept = remove_files(dataset_dir, names)
    remove_empty_folders(dataset_dir, names)
    return [dataset_dir / name for name in kept]


def _remove_sample(folder: Path, names: Iterable[str]) -> list[Path]:
    """Remove a sample's files, and its folder where nothing else is in it; what stays."""
    if folder.is_symlink():
        target = folder.readlink()
        folder.unlink()  # what it points to lies elsewhere, and is not touched
        return [target]
    if not folder.is_dir():
        return []
    for name in names:
        path = folder / name
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
    kept = sorted(folder.iterdir())
    if not kept:
        folder.rmdir()
    return kept
