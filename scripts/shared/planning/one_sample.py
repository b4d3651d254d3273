"""The plan of one sample that is asked for by its path."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from scripts.shared import layout
from scripts.shared.disk_errors import disk_errors
from scripts.shared.errors import PlanningError
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.planning.claims import hand_over_to
from scripts.shared.planning.members import read_members, save_members, shard_name
from scripts.shared.planning.plan_file import empty_file, read_header, write_plan
from scripts.shared.planning.planner import (
    all_ledgers,
    damage_note,
    hold_dataset,
    link_results,
    read_wanted,
)
from scripts.shared.planning.shard_status import compare_shard
from scripts.shared.planning.stage import Stage


class SinglePlan(NamedTuple):
    """What the rule of one sample needs.

    Attributes:
        path: the file that it takes as input: the plan, or what stands for it where nothing may be written.
        current: whether the sample is as it should be already.
        notes: what the user should know, a line each.
    """

    path: Path
    current: bool
    notes: Sequence[str] = ()


def plan_single(stage: Stage, key: str, *, scratch: Path | None, inner: bool) -> SinglePlan:
    """Plan one sample.

    Args:
        stage: the stage.
        key: the sample.
        scratch: None in a real run; else a folder for an empty file, and nothing else is written.
        inner: this is a job of the run: the plan is there.

    Raises:
        PlanningError: the list has no such sample, or another run works on the dataset.
    """
    # Each in a folder of its own: Snakemake lists a folder once, and would not see a plan that is written there later.
    path = stage.stage_work_dir / "single" / _file_name(stage, key) / "plan.json"
    if inner:
        return SinglePlan(path, False)
    with disk_errors(stage.dataset_dir, PlanningError, label=f"{stage.label}: "):
        return _plan(stage, key, path, scratch)


def _file_name(stage: Stage, key: str) -> str:
    """What names a sample's files: a key that names no folder may be a path, and too long."""
    return key if stage.own_folders else digest_bytes(key.encode(errors="surrogatepass"))


def _plan(stage: Stage, key: str, path: Path, scratch: Path | None) -> SinglePlan:
    if scratch is None:
        hold_dataset(stage)
    wanted = read_wanted(stage)
    if key not in wanted.keys:
        raise PlanningError(f"{stage.label}: {key} is not among the {len(wanted):,} samples of its list")
    members = read_members(layout.members_file(stage.dataset_dir), all_ledgers(stage))
    members.recall(wanted.keys, all_ledgers(stage))
    notes = damage_note(members, stage)
    position = wanted.keys.index(key)
    members.assign(wanted.keys, stage.shard_size)
    status = compare_shard(stage, shard_name(members.shard_of[key]), [position], wanted)
    current = not status.reasons and not status.failed
    if scratch is not None:
        folder = scratch / f"{stage.system}-{stage.dataset}-{stage.name}-{_file_name(stage, key)}"
        folder.mkdir(exist_ok=True)
        return SinglePlan(path if current and path.exists() else empty_file(folder, "plan-changed"), current, notes)
    link_results(stage)
    save_members(layout.members_file(stage.dataset_dir), members)
    if not stage.own_folders and not current:
        hand_over_to(stage, wanted[position])
    header = read_header(path)
    if header is None and path.exists():
        notes.append(f"{path}: damaged, or of another version; made anew")
    if not current:
        # What the shard holds will be another thing: its job says so anew, when the shard is asked for.
        layout.receipt_file(stage.stage_work_dir, shard_name(members.shard_of[key])).unlink(missing_ok=True)
        header = None
    if header is None or header.want != status.header.want:
        # Also of a current sample: `--force` makes Snakemake remove it and start the job.
        write_plan(path, replace(status.header, force=() if current else (key,)), status.plan_lines(wanted))
    return SinglePlan(path, current, notes)
