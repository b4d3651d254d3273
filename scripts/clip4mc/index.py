"""The index of a CLIP4MC dataset: `dataset_info.json`, `failures.csv` and `summary.json`."""

import json
from itertools import islice
from pathlib import Path
from sys import intern

from scripts.clip4mc.rows import vid_of
from scripts.clip4mc.splits import SPLITS, split_samples
from scripts.shared import atomic_files
from scripts.shared.index_files import counts, read_made, write_failures
from scripts.shared.ledger import Row
from scripts.shared.planning.index_plan import read_index_plan

_REASONS_SHOWN = 20


def write_index(plan_path: Path, *, info: Path, failures: Path, summary: Path) -> None:
    """Write the index files from the ledgers; equal ledgers give equal files.

    Args:
        plan_path: the index plan.
        info: `dataset_info.json`: the sample folders of each split, in the order of the pairs.
        failures: `failures.csv`.
        summary: `summary.json`: counts by split, decoder and error class; what `decoder: auto` chose and why, and why
            the CPU made samples that the GPU was to make.

    Raises:
        JobError: a sample has no row, or the plan is damaged.
    """
    plan = read_index_plan(plan_path)
    settings = plan.settings
    made, failed = read_made(plan, _keep)
    why_cpu = counts(why for _, why, _ in made.values() if why)
    by_video = settings["split_by"] == "video"
    groups = [vid_of(key) for key in made] if by_video else list(made)
    splits, note = split_samples(groups, mode=settings["split_mode"], seed=settings["seed"])
    root = f"{settings['root']}/" if settings["root"] else ""
    lists: dict[str, list[str]] = {split: [] for split in SPLITS}
    for key, split in zip(made, splits, strict=True):
        lists[split].append(f"{root}{key}")
    atomic_files.write_text(info, json.dumps(lists, indent=1) + "\n")
    write_failures(failures, failed)
    atomic_files.write_json(
        summary,
        {
            "ok": len(made),
            "failed": len(failed),
            "errors": counts(failure.error for failure in failed),
            "splits": {split: len(members) for split, members in lists.items()},
            "decoders": counts(decoder for decoder, _, _ in made.values()),
            **({"why_cpu": dict(islice(why_cpu.items(), _REASONS_SHOWN))} if why_cpu else {}),
            **({"decoder_choice": settings["decoder_choice"]} if "decoder_choice" in settings else {}),
            "bytes": sum(size for _, _, size in made.values()),
            "settings": {key: value for key, value in settings.items() if key not in ("root", "decoder_choice")},
            "notes": [note] if note else [],
        },
    )


def _keep(row: Row) -> tuple[str, str, int]:
    """What the index needs of a finished sample: the decoder, why not the GPU's, and the bytes of the files."""
    facts = row["facts"]
    decoder = f"{facts['decoder']}, every frame" if facts["fallback"] else facts["decoder"]
    # Where every frame is decoded, why that is so stands in the ledger.
    why = "" if facts["fallback"] else facts.get("why_cpu", "")
    return intern(decoder), intern(why), sum(size for size, _ in row["files"].values())
