"""A plan in words, for the user who asked for it."""

import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from scripts.shared.planning.planner import DatasetPlan
from scripts.shared.planning.stage import Stage
from scripts.shared.progress import duration_text

_SHARDS_SHOWN = 12


def describe(plan: DatasetPlan, stage: Stage, *, cores: int) -> list[str]:
    """What a run would make and why, what it needs, and what the user should know; a line each.

    Args:
        plan: the plan.
        stage: the stage that was planned.
        cores: cores of the run, for the forecast; 0 where not known.
    """
    reasons = _total(status.reasons for status in plan.statuses)
    failed = _total(status.failed for status in plan.statuses)
    n_made = plan.n_wanted - reasons.total() - failed.total()
    lines = [f"{stage.label}: {plan.n_wanted:,} samples wanted, {n_made:,} made, {_to_make(reasons)}"]
    due = [status for status in plan.statuses if status.reasons]
    lines += [f"  shard {status.shard}: {_counts(status.reasons)}" for status in due[:_SHARDS_SHOWN]]
    if len(due) > _SHARDS_SHOWN:
        lines.append(f"  ... and {len(due) - _SHARDS_SHOWN:,} more shards")
    if failed:
        lines.append(f"  {failed.total():,} failed before and stay so ({_counts(failed)}); "
                     "--config retry_failed=true tries them again")  # fmt: skip
    if gone := sum(status.n_gone for status in plan.statuses):
        lines.append(f"  {gone:,} sources cannot be seen now; what was made from them stays")
    if plan.n_unwanted:
        lines.append(f"  {plan.n_unwanted:,} samples on record are no longer wanted: kept on disk, in no index")
    if damaged := sum(status.damaged_rows for status in plan.statuses):
        files = [path for status in plan.statuses for path in status.damaged_files]
        more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
        lines.append(f"  {damaged:,} damaged ledger lines in {files[0]}{more}: their samples are made again")
    lines += [f"  {note}" for note in plan.notes]
    if reasons:
        lines.append("  " + _needs(plan, stage, cores))
    return lines


def _total(counters: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counter.most_common())


def _to_make(reasons: Counter[str]) -> str:
    return f"{reasons.total():,} to make: {_counts(reasons)}" if reasons else "nothing to make"


def _needs(plan: DatasetPlan, stage: Stage, cores: int) -> str:
    n_to_make = plan.n_to_make
    needed, free = n_to_make * stage.bytes_per_sample, free_bytes(stage.dataset_dir)
    words = f"needs about {size_text(needed)}; {size_text(free)} free in {stage.dataset_dir}"
    if needed > free:
        words += ": NOT ENOUGH"
    rates = [status.rate for status in plan.statuses if status.rate]
    if rates and cores:
        seconds = n_to_make / (sum(rates) / len(rates)) / cores
        words += f"; about {duration_text(seconds)} on {cores} cores at the rate of earlier jobs"
    return words


def size_text(n_bytes: int) -> str:
    """A size in words: `1.5 GB`, `0.3 MB`."""
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 5e7 else f"{n_bytes / 1e6:,.1f} MB"


def free_bytes(folder: Path) -> int:
    """Free disk where a folder is or will be."""
    return shutil.disk_usage(existing_parent(folder)).free


def existing_parent(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder
