"""The plan of one sample that is asked for by its path."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from scripts.shared import layout
from scripts.shared.errors import PlanningError
from scripts.shared.members import read_members, save_members, shard_name
from scripts.shared.plan import write_plan
from scripts.shared.planner import all_ledgers, disk_errors_named, empty_file, hold_dataset, read_wanted
from scripts.shared.shard_look import look_at_shard
from scripts.shared.stage import Stage


class SinglePlan(NamedTuple):
    """What the rule of one sample needs.

    Attributes:
        path: the file that it takes as input: the plan, or the source where there is none.
        current: whether the sample is as it should be already.
    """

    path: Path
    current: bool


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
    path = stage.work_dir / "single" / f"{key}.json"
    if inner:
        return SinglePlan(path, False)
    with disk_errors_named(stage):
        return _plan(stage, key, path, scratch)


def _plan(stage: Stage, key: str, path: Path, scratch: Path | None) -> SinglePlan:
    if scratch is None:
        hold_dataset(stage)
    wanted = read_wanted(stage)
    if key not in wanted.keys:
        raise PlanningError(f"{stage.label}: {key} is not among the {len(wanted):,} samples of its list")
    members = read_members(layout.members_file(stage.dataset_dir), all_ledgers(stage))
    position = wanted.keys.index(key)
    members.assign(wanted.keys, stage.shard_size)
    look = look_at_shard(stage, shard_name(members.shard_of[key]), [position], wanted)
    if not look.reasons and not look.failed:
        return SinglePlan(path if path.exists() else stage.source_dir / wanted[position].source, True)
    if scratch is not None:
        return SinglePlan(empty_file(scratch, f"{stage.system}-{stage.dataset}-{key}.plan-changed"), False)
    save_members(layout.members_file(stage.dataset_dir), members)
    # What the shard holds will be another thing: its job says so anew, when the shard is asked for.
    layout.receipt_file(stage.stage_work_dir, shard_name(members.shard_of[key])).unlink(missing_ok=True)
    # Snakemake removes the files of the target before the job starts: the job must not take them for unchanged.
    write_plan(path, replace(look.header, force=(key,)), look.plan_lines(wanted))
    return SinglePlan(path, False)
