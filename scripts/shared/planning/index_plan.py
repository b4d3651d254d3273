"""The plan of a dataset's index: which samples it lists, in the order of the source list.

{"digest": "...", "serial": "...", "settings": {...}, ..., "keys": [
"sample_000000_abc",
...
], "crc": "..."}
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_value
from scripts.shared.planning.plan_file import closed, empty_file, first_line, read_whole
from scripts.shared.planning.stage import Stage

_KEYS = ', "keys": ['


@dataclass(frozen=True)
class IndexPlan:
    """What an index job needs to know.

    Attributes:
        dataset_dir: the dataset's results folder.
        stage: whose ledger tells of the samples.
        settings: all that the index files depend on besides the samples.
        shards: whose ledgers to read.
        keys: the samples, in the order of the source list.
    """

    dataset_dir: str
    stage: str
    settings: dict[str, Any]
    shards: tuple[str, ...]
    keys: tuple[str, ...]


def plan_file(stage_or_work_dir: Path) -> Path:
    """Where a dataset's index plan lies, from the dataset's work folder."""
    return stage_or_work_dir / "index" / "plan.json"


def settle(stage: Stage, keys: Sequence[str], shards: Sequence[str], scratch: Path | None) -> Path:
    """Write the index plan where it must change; the file that stands for it (an empty one in `scratch`)."""
    path = plan_file(stage.work_dir)
    head = {
        "dataset_dir": str(stage.dataset_dir),
        "stage": stage.name,
        "settings": {**(stage.index or {}), **stage.index_of_list()},
        "shards": list(shards),
    }
    digest = digest_value([head, str(stage.dataset_dir.absolute()), list(keys)])
    if _read_digest(path) == digest:
        return path
    if scratch is not None:
        return empty_file(scratch, f"{stage.system}-{stage.dataset}-index.plan-changed")
    first = json.dumps({"digest": digest, "serial": secrets.token_hex(8), **head})[:-1] + _KEYS
    lines = b",\n".join(json.dumps(key).encode() for key in keys)
    atomic_files.write_bytes(path, closed(first.encode() + b"\n" + lines + b"\n"))
    return path


def is_damaged(path: Path) -> bool:
    """Whether an index plan is there and cannot be used."""
    return path.exists() and _read_digest(path) is None


def _read_digest(path: Path) -> str | None:
    try:
        return str(json.loads(first_line(path).removesuffix(_KEYS) + "}")["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_index_plan(path: Path) -> IndexPlan:
    """Read an index plan.

    Raises:
        JobError: it is absent or damaged.
    """
    try:
        content = json.loads(read_whole(path))
        return IndexPlan(
            content["dataset_dir"],
            content["stage"],
            content["settings"],
            tuple(content["shards"]),
            tuple(content["keys"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: not an index plan that can be used ({error}); delete it and run again") from error
