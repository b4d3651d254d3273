"""What `X_prune` would remove: samples on record that the list no longer wants. Looks only."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from scripts.shared import layout
from scripts.shared.errors import PlanningError
from scripts.shared.ledger import list_shards, read_shard
from scripts.shared.planning.index_plan import plan_file, read_index_plan
from scripts.shared.planning.members import read_members
from scripts.shared.planning.planner import read_wanted
from scripts.shared.planning.stage import Stage

_SHOWN = 20


@dataclass(frozen=True)
class PrunePlan:
    """What is to go.

    Attributes:
        label: the dataset in words: `clip4mc train`.
        dataset_dir: the dataset's results folder.
        files: names of a sample's files, by stage; none of those whose samples share folders.
        keys: samples to remove, ascending.
        never_made: keys that only the membership knows.
        shared: the stages whose samples share folders.
    """

    label: str
    dataset_dir: str
    files: dict[str, list[str]]
    keys: list[str]
    never_made: list[str]
    shared: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PruneCounts:
    """How much it is: samples on record, samples in the list, and bytes on record of those that are to go."""

    n_on_record: int
    n_wanted: int
    n_bytes: int


def plan_prune(stages: Sequence[Stage]) -> tuple[PrunePlan, PruneCounts]:
    """Compare the list with what is on record.

    Args:
        stages: of one dataset; they have one list.

    Raises:
        PlanningError: the list cannot be read.
    """
    first = stages[0]
    wanted = set(read_wanted(first).keys)
    on_record: set[str] = set()
    n_bytes = 0
    for stage in stages:
        for shard, files in list_shards(stage.ledger_dir).items():
            for key, row in read_shard(stage.ledger_dir, shard, files).rows.items():
                on_record.add(key)
                if key not in wanted and row["status"] == "ok":
                    n_bytes += sum(size for size, _ in row["files"].values())
    members = read_members(layout.members_file(first.dataset_dir), []).shard_of
    plan = PrunePlan(
        label=f"{first.system} {first.dataset}",
        dataset_dir=str(first.dataset_dir),
        files={stage.name: list(stage.files) for stage in stages},
        keys=sorted(on_record - wanted),
        never_made=sorted(members.keys() - wanted - on_record),
        shared=[stage.name for stage in stages if not stage.own_folders],
    )
    return plan, PruneCounts(len(on_record), len(wanted), n_bytes)


def check_prune(plan: PrunePlan, counts: PruneCounts, *, prune_most: str) -> None:
    """Stop what is a mistake more likely than a wish.

    Raises:
        PlanningError: the list is empty, or most samples would go, and the user did not say `prune_most=ok`.
    """
    if prune_most == "ok" or not plan.keys or (counts.n_wanted and 2 * len(plan.keys) <= counts.n_on_record):
        return
    why = "the list is empty" if not counts.n_wanted else "that is more than half"
    raise PlanningError(
        f"{plan.label}: {len(plan.keys):,} of {counts.n_on_record:,} samples on record would be removed: {why}. Are "
        "the list and `select` right? Nothing was removed. --config prune_most=ok removes them"
    )


def describe_prune(plan: PrunePlan, counts: PruneCounts, stage: Stage, *, dry: bool) -> list[str]:
    """What goes, in words; a line each."""
    if not plan.keys:
        return [f"{plan.label}: every sample on record is wanted: nothing to remove"]
    does = "would remove" if dry else "removes"
    lines = [
        f"{plan.label}: {len(plan.keys):,} of {counts.n_on_record:,} samples on record are no longer wanted; "
        f"{stage.system}_prune {does} their files, {counts.n_bytes / 1e6:,.1f} MB, and their rows:"
    ]
    lines += [f"  {key}" for key in plan.keys[:_SHOWN]]
    if len(plan.keys) > _SHOWN:
        lines.append(f"  ... and {len(plan.keys) - _SHOWN:,} more; the log names all")
    index = plan_file(stage.work_dir)
    if index.exists() and not set(read_index_plan(index).keys).isdisjoint(plan.keys):
        lines.append(f"  the index still lists some of them: run all_{stage.system} first, or right after")
    return lines
