"""The planner: what is wanted against what the ledgers say, and a new plan for each shard where they differ.

It runs in the process that the user started, before any job. Whatever is not a real run (`-n`, `--dag`, `--touch`,
...) is given a scratch folder, and then nothing is written: a shard whose plan would change gets an empty file there.
"""

import json
import os
import shutil
import time
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files, layout, ledger
from scripts.shared.dataset_dir import put_link
from scripts.shared.disk_errors import disk_errors, disk_words
from scripts.shared.errors import PlanningError
from scripts.shared.locks import LockFile
from scripts.shared.planning import index_plan
from scripts.shared.planning.claims import hand_over, released
from scripts.shared.planning.entry_list import EntryList
from scripts.shared.planning.members import Members, read_members, save_members, shard_name
from scripts.shared.planning.plan_file import empty_file, read_header, write_plan
from scripts.shared.planning.shard_status import ShardStatus, compare_shard, needs_new_plan
from scripts.shared.planning.stage import Stage

_CLOCKS_DIFFER_NS = 60 * 10**9  # of a file server and its clients

_held_locks: list[LockFile] = []


@dataclass
class DatasetPlan:
    """A dataset as planned.

    Attributes:
        plans: the plan file to use, by shard.
        index_plan: the plan file of the dataset's index; this planning settled it where the stage has the index.
        statuses: what each shard holds and lacks.
        n_wanted, n_unwanted: samples in the list, and samples on record that no longer are.
        notes: what else the user should know, a line each.
        means: what the jobs use and changes no bytes, see `Stage`.
    """

    plans: dict[str, Path]
    index_plan: Path
    statuses: list[ShardStatus]
    n_wanted: int
    n_unwanted: int
    notes: list[str] = field(default_factory=list)
    means: dict[str, Any] = field(default_factory=dict)

    @property
    def n_to_make(self) -> int:
        """Samples that the run would make."""
        return sum(status.reasons.total() for status in self.statuses)


def plan_dataset(stage: Stage, *, scratch: Path | None) -> DatasetPlan:
    """Plan one stage of one dataset.

    Args:
        stage: the stage.
        scratch: None in a real run; else a folder for empty files, and nothing else is written.

    Raises:
        PlanningError: the list cannot be read, too many sources are gone, another run is planning, or a newer version
            wrote the results. Nothing was written. Or the disk is full or read-only.
    """
    with disk_errors(stage.dataset_dir, PlanningError, label=f"{stage.label}: "):
        return _plan(stage, scratch)


def _plan(stage: Stage, scratch: Path | None) -> DatasetPlan:
    if scratch is None:
        hold_dataset(stage)
    wanted = read_wanted(stage)
    members = read_members(layout.members_file(stage.dataset_dir), all_ledgers(stage))
    members.recall(wanted.keys, all_ledgers(stage))
    notes = stage.remarks() + damage_note(members, stage)
    known = len(members.shard_of)
    members.assign(wanted.keys, stage.shard_size)
    by_shard: dict[str, array[int]] = defaultdict(lambda: array("l"))
    for position in sorted(range(len(wanted)), key=wanted.keys.__getitem__):
        by_shard[shard_name(members.shard_of[wanted.keys[position]])].append(position)
    ledgers = ledger.list_shards(stage.ledger_dir)
    statuses = [
        compare_shard(stage, shard, positions, wanted, ledgers.get(shard, []))
        for shard, positions in sorted(by_shard.items())
    ]
    _stop_if_sources_gone(stage, statuses, wanted)
    index = index_plan.plan_file(stage.work_dir)
    n_unwanted = 0 if stage.part else len(members.shard_of) - len(wanted)
    plan = DatasetPlan({}, index, statuses, len(wanted), n_unwanted, notes)
    if plan.n_unwanted and known < len(members.shard_of):
        plan.notes += _gone_note(stage, members, wanted, known)
    if not all(lock.supported for lock in _held_locks):
        plan.notes.append("this file system has no locks: do not start a run twice")
    if scratch is None:
        stage = _decided(stage, plan, wanted)
        link_results(stage)
        _tidy(stage)
        _date_down(stage)
        save_members(layout.members_file(stage.dataset_dir), members)
        if not stage.own_folders:
            hand_over(stage, _released(stage, statuses, ledgers), wanted)
    plan.means = stage.means
    damage = _Damage()
    for status in statuses:
        plan.plans[status.shard] = _settle(stage, status, wanted, scratch, damage)
    if stage.index is not None:
        damage.files += [index] if index_plan.is_damaged(index) else []
        plan.index_plan = index_plan.settle(stage, wanted.keys, list(plan.plans), scratch)
    plan.notes += damage.notes(stage)
    return plan


@dataclass
class _Damage:
    """What settling the plans found.

    Attributes:
        files: plans and receipts that cannot be used.
        lost_rows: samples without a row, of shards whose jobs had made all.
    """

    files: list[Path] = field(default_factory=list)
    lost_rows: int = 0

    def notes(self, stage: Stage) -> list[str]:
        found = []
        if self.files:
            more = f" and {len(self.files) - 1:,} more" if len(self.files) > 1 else ""
            found.append(f"{self.files[0]}{more}: damaged, or of another version; made anew")
        if self.lost_rows:
            found.append(
                f"{stage.ledger_dir}: {self.lost_rows:,} rows of finished samples are gone: these are made again"
            )
        return found


def _released(
    stage: Stage, statuses: list[ShardStatus], ledgers: dict[str, list[Path]]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield what the rows of each shard release, those of which nothing is wanted included."""
    for status in statuses:
        yield status.shard, status.released
        status.released = {}  # they may be as many as the samples
    for shard in ledgers.keys() - {status.shard for status in statuses}:
        yield shard, released(ledger.read_shard(stage.ledger_dir, shard, ledgers[shard]).rows, ())


def _decided(stage: Stage, plan: DatasetPlan, wanted: EntryList) -> Stage:
    """The stage with what only a real run that has samples to make decides."""
    if stage.decide is None or not plan.n_to_make:
        return stage
    stage = stage.decide(stage, wanted)
    for status in plan.statuses:
        status.header = replace(status.header, means=stage.means)
    return stage


def hold_dataset(stage: Stage) -> None:
    """Keep other runs from planning this dataset until this process ends.

    Raises:
        PlanningError: another run holds it, it cannot be written, or its place in the results is taken.
    """
    _check_link(stage)
    lock = LockFile(layout.run_lock(stage.dataset_dir))
    if any(held.path == lock.path for held in _held_locks):
        return
    try:
        if not lock.acquire(wait=False):
            raise PlanningError(
                f"{stage.label}: another run ({lock.holder()}) works on {stage.dataset_dir}; wait for it or stop it"
            )
    except OSError as error:
        raise PlanningError(f"{stage.label}: cannot write {disk_words(error, stage.dataset_dir)}") from error
    layout.stop_file(stage.dataset_dir).unlink(missing_ok=True)  # it was meant for an earlier run
    _held_locks.append(lock)


def read_wanted(stage: Stage) -> EntryList:
    """The samples of the source list that the user selected, in its order."""
    listed = EntryList(stage.read_list())
    chosen = stage.choose(listed.keys)
    return listed if len(chosen) == len(listed) else listed.only(chosen)


def all_ledgers(stage: Stage) -> list[Path]:
    """The ledger folders of all stages of a dataset."""
    state = layout.state_dir(stage.dataset_dir)
    return sorted(state.glob("*/ledger"))


def damage_note(members: Members, stage: Stage) -> list[str]:
    """What the user should know of the members file; nothing where it was whole."""
    if not members.damaged and not members.recalled:
        return []
    what = f"{members.damaged} damaged line(s)" if members.damaged else f"{members.recalled:,} lines were lost"
    return [f"{layout.members_file(stage.dataset_dir)}: {what}; what the ledgers know was put back"]


def _gone_note(stage: Stage, members: Members, wanted: EntryList, known: int) -> list[str]:
    keys = set(wanted.keys)
    gone = [key for key in members.shard_of if key not in keys]
    new = list(members.shard_of)[known:]
    note = stage.explain_gone(gone, new)
    return [note] if note else []


def _stop_if_sources_gone(stage: Stage, statuses: list[ShardStatus], wanted: EntryList) -> None:
    if stage.options.sources_gone == "ok" or stage.upstream:
        return
    seen_before = sum(status.n_seen_before for status in statuses)
    gone = sum(status.n_gone for status in statuses)
    if not seen_before and not stage.source_dir.is_dir() and any(entry.source for entry in wanted):
        raise PlanningError(f"{stage.label}: {stage.source_option} is {stage.source_dir}, which is no folder")
    if gone > stage.options.max_failed_fraction * seen_before:
        raise PlanningError(
            f"{stage.label}: {gone:,} of {seen_before:,} source files that were there before cannot be seen now in "
            f"{stage.source_dir}: is it mounted? Nothing was changed. --config sources_gone=ok goes on and keeps "
            "their samples"
        )


def _settle(stage: Stage, status: ShardStatus, wanted: EntryList, scratch: Path | None, damage: _Damage) -> Path:
    """Write a shard's plan where it must change; the file that stands for it."""
    path = layout.plan_file(stage.stage_work_dir, status.shard)
    receipt = layout.receipt_file(stage.stage_work_dir, status.shard)
    if scratch is None and status.stale_ledger:
        _compact(stage, status.shard)
    header, has_receipt = read_header(path), receipt.exists()
    if has_receipt and not _is_receipt(receipt):
        damage.files.append(receipt)
        has_receipt = False
    if header is None and path.exists():
        damage.files.append(path)
    if has_receipt and header is not None and header.want == status.header.want:
        damage.lost_rows += status.reasons["new"]
    if not needs_new_plan(status, header, has_receipt=has_receipt) and has_receipt == receipt.exists():
        return path
    if scratch is not None:
        return empty_file(scratch, f"{stage.system}-{stage.dataset}-{stage.name}-{status.shard}.plan-changed")
    # Without its receipt the job runs whatever the clocks say; and a kill between the two leaves the shard due.
    receipt.unlink(missing_ok=True)
    write_plan(path, status.header, status.plan_lines(wanted))
    return path


def _is_receipt(path: Path) -> bool:
    try:
        return bool({"shard", "ok", "failed", "digest"} <= json.loads(path.read_bytes()).keys())
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def _tidy(stage: Stage) -> None:
    """Remove what killed runs left half-written."""
    for folder in (layout.state_dir(stage.dataset_dir), stage.work_dir):
        atomic_files.remove_leftovers(atomic_files.leftovers(folder, deep=True))
    for unfinished in layout.unfinished_dir(stage.dataset_dir, stage.name, "").glob("*"):
        lock = LockFile(layout.shard_lock(stage.dataset_dir, stage.name, unfinished.name))
        if lock.acquire(wait=False):  # else a job is making them
            if lock.supported:
                shutil.rmtree(unfinished, ignore_errors=True)
            lock.release()


def _date_down(stage: Stage) -> None:
    """Date what is of the future to now, where the clock was set back since.

    Snakemake refuses a job whose input is newer than what it made, and sees no need to make an index again that is
    newer than its receipts.
    """
    latest = time.time_ns() + _CLOCKS_DIFFER_NS
    folders = (stage.dataset_dir, stage.dataset_dir / "figures")
    indexes = (entry for folder in folders if folder.is_dir() for entry in os.scandir(folder))
    files = [Path(entry.path) for entry in indexes if entry.is_file(follow_symlinks=False)]
    for path in files + list(stage.work_dir.rglob("*.json")):
        with suppress(FileNotFoundError):
            if os.stat(path).st_mtime_ns > latest:
                os.utime(path)


def _compact(stage: Stage, shard: str) -> None:
    lock = LockFile(layout.shard_lock(stage.dataset_dir, stage.name, shard))
    if lock.acquire(wait=False):  # else a job is appending; another time will do
        # Read again under the lock: a job that just ended may have added rows.
        ledger.compact(stage.ledger_dir, shard, ledger.read_shard(stage.ledger_dir, shard))
        lock.release()


def _check_link(stage: Stage) -> None:
    """See that the results folder's entry for a dataset that lies elsewhere is free.

    Raises:
        PlanningError: something else is there.
    """
    if stage.link is not None and stage.link.exists() and not stage.link.is_symlink():
        raise PlanningError(
            f"{stage.label}: output_dir is {_link_target(stage)}, but {stage.link} holds samples already: move that "
            "folder there (nothing is made again) or take output_dir away"
        )


def link_results(stage: Stage) -> None:
    """Make the results folder's entry for a dataset that lies elsewhere."""
    if stage.link is None:
        return
    put_link(stage.link, _link_target(stage))


def _link_target(stage: Stage) -> Path:
    return stage.link_to or stage.dataset_dir
