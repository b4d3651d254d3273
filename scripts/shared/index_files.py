"""The files that every dataset's index has: what failed and why, and the summary."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from scripts.shared import atomic_files, layout
from scripts.shared.errors import JobError
from scripts.shared.ledger import Row, ShardLedger, list_shards, read_shard
from scripts.shared.planning.index_plan import IndexPlan
from scripts.shared.planning.members import read_members


class Failure(NamedTuple):
    """A failed sample, as `failures.csv` tells of it."""

    key: str
    source: str
    error: str
    message: str


def read_made(plan: IndexPlan, keep: Callable[[Row], Any]) -> tuple[dict[str, Any], list[Failure]]:
    """What is kept of each finished sample of an index, and the failed samples; both in list order.

    Args:
        plan: the index plan.
        keep: gives what the index needs of a finished sample's row, never None.

    Raises:
        JobError: a sample has no row: its shard's job has not ended.
    """

    def keep_either(row: Row) -> Any:
        if row["status"] == "failed":
            return Failure(row["key"], row["source_name"], row["error"], row["message"])
        return keep(row)

    made: dict[str, Any] = {}
    failed: list[Failure] = []
    for key, kept in read_listed(plan, keep_either):
        if isinstance(kept, Failure):
            failed.append(kept)
        else:
            made[key] = kept
    return made, failed


def read_listed(
    plan: IndexPlan, keep: Callable[[Row], Any], each_shard: Callable[[ShardLedger], None] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yield the samples of an index in list order: the key, and what is kept of its row.

    Args:
        plan: the index plan.
        keep: gives what the index needs of a ledger row, never None, so that a million rows need not be held.
        each_shard: is shown the ledger of each shard, for what belongs to no sample.

    Raises:
        JobError: a sample has no row: its shard's job has not ended.
    """
    folder = layout.ledger_dir(Path(plan.dataset_dir), plan.stage)
    # After damage to `members` a key may have rows in two shards: those of its own count.
    shard_of = read_members(layout.members_file(Path(plan.dataset_dir)), []).shard_of
    kept: dict[str, Any] = dict.fromkeys(plan.keys)
    files = list_shards(folder)
    for shard in plan.shards:
        ledger = read_shard(folder, shard, files.get(shard, []))
        if each_shard is not None:
            each_shard(ledger)
        for key, row in ledger.rows.items():
            if key in kept and shard_of.get(key, int(shard)) == int(shard) and row["status"] in ("ok", "failed"):
                kept[key] = keep(row)
    missing = [key for key in plan.keys if kept[key] is None]
    if missing:
        raise JobError(
            f"{folder}: {len(missing):,} samples have no row, such as {missing[0]}; run again: they are made first"
        )
    yield from ((key, kept[key]) for key in plan.keys)


def write_failures(path: Path, failed: Iterable[Failure]) -> None:
    """Write `failures.csv`, which is there also when nothing failed.

    Args:
        path: the file.
        failed: in list order.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Failure._fields)
    writer.writerows(failed)
    atomic_files.write_text(path, text.getvalue())


def counts(names: Iterable[str]) -> dict[str, int]:
    """How often each name occurs, the commonest first."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
