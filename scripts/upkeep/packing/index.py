"""The index of a dataset's tars, as `wids` and others read it: a list of names with their numbers of samples."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files, layout
from scripts.shared.disk_errors import disk_errors
from scripts.shared.errors import JobError
from scripts.upkeep.packing.shard import read_record, record_file


def write_pack_index(index: Path, receipts: Iterable[Path], *, dataset: str) -> None:
    """Write the index, and remove the tars of shards of which nothing is wanted any more.

    Args:
        index: beside the tars.
        receipts: what `pack_shard` told of each shard; the file is named by the shard.
        dataset: its name.

    Raises:
        JobError: a receipt cannot be read, or the disk refuses.
    """
    with disk_errors(index.parent, JobError, label=f"[{dataset}] "):
        tars: dict[str, dict[str, Any]] = {}
        shards = set()
        for receipt in receipts:
            shards.add(receipt.stem)
            try:
                tars |= json.loads(receipt.read_text(encoding="utf-8"))["tars"]
            except (ValueError, KeyError, TypeError) as error:
                raise JobError(f"{receipt}: not a receipt that can be used ({error}); delete it, run again") from error
        found = sorted(tars.items())
        atomic_files.write_json(
            index,
            {
                "__kind__": "wids-shard-index-v1",
                "wids_version": 1,
                "name": dataset,
                "samples": sum(tar["samples"] for _, tar in found),
                "bytes": sum(tar["size"] for _, tar in found),
                "shardlist": [
                    {"url": name, "nsamples": tar["samples"], "filesize": tar["size"], "blake2b": tar["blake2b"]}
                    for name, tar in found
                ],
            },
        )
        _remove_others(index.parent, shards)


def _remove_others(packed_dir: Path, shards: set[str]) -> None:
    for path in sorted(layout.state_dir(packed_dir).glob("[0-9]*.json")):
        if path.stem not in shards:
            for name in (read_record(packed_dir, path.stem) or {"tars": {}})["tars"]:
                (packed_dir / name).unlink(missing_ok=True)
            record_file(packed_dir, path.stem).unlink(missing_ok=True)
