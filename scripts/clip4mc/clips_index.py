"""The index of the clips that were cut: `text_video_pairs.json`, `failures.csv` and `summary.json`."""

import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from scripts.clip4mc.metadata import MetadataList
from scripts.clip4mc.rows import index_of, vid_of
from scripts.clip4mc.stage import CLIP_FILE
from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.index_files import counts, read_made, write_failures
from scripts.shared.ledger import Row
from scripts.shared.planning.index_plan import read_index_plan


def write_clips_index(plan_path: Path, *, listed: MetadataList, pairs: Path, failures: Path, summary: Path) -> None:
    """Write the index files; equal ledgers and lists give equal files.

    Args:
        plan_path: the index plan of the stage `clips`.
        listed: the metadata list, which knows the captions.
        pairs: `text_video_pairs.json`: the clips that were cut, as `source: clips` reads them, in the list's order.
        failures: `failures.csv`.
        summary: `summary.json`: counts by error class, and of clips that were copied and encoded.

    Raises:
        JobError: a sample has no row, the plan is damaged, or the list was changed meanwhile.
    """
    plan = read_index_plan(plan_path)
    made, failed = read_made(plan, _keep)
    root = f"{plan.settings['root']}/" if plan.settings["root"] else ""
    lines = [json.dumps(pair) for pair in _pairs(listed, made, root)]
    if len(lines) != len(made):
        raise JobError(f"{listed.metadata} was changed while its clips were cut; run again")
    atomic_files.write_text(pairs, "[\n" + ",\n".join(lines) + "\n]\n")
    write_failures(failures, failed)
    atomic_files.write_json(
        summary,
        {
            "ok": len(made),
            "failed": len(failed),
            "errors": counts(failure.error for failure in failed),
            "made": counts("copied" if was_copied else "encoded" for was_copied, _ in made.values()),
            "bytes": sum(size for _, size in made.values()),
        },
    )


def _keep(row: Row) -> tuple[bool, int]:
    """What the index needs of a clip that was cut: whether it was copied, and its bytes."""
    return row["facts"]["copied"], sum(size for size, _ in row["files"].values())


def _pairs(listed: MetadataList, made: Container[str], root: str) -> Iterator[dict[str, Any]]:
    for key, _, text in listed.read():
        if key in made:
            entry = json.loads(text)
            pair = {"vid": vid_of(key), "transcript": entry["caption"], "clip_path": f"{root}{key}/{CLIP_FILE}"}
            if entry["size"] is not None:
                pair["size"] = entry["size"]
            yield pair | {"index": index_of(key)}
