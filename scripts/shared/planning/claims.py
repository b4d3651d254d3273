"""Files that pass from one sample to another, where samples share folders.

Where `a.mp3` takes the place of `a.wav`, or comes beside it, files change hands. A row that went on naming a file of
another sample would speak for it should its own sample come back, and take it along when that is pruned or fails.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable

from scripts.shared.ledger import LedgerWriter, Row, list_shards, read_shard
from scripts.shared.planning.stage import SourceEntry, Stage


def released(rows: dict[str, Row], current: Collection[str]) -> dict[str, str]:
    """The files that rows name and that may pass to other samples: the key by file.

    Args:
        rows: of one shard.
        current: keys that are wanted as their rows have them.
    """
    return {name: key for key, row in rows.items() if key not in current for name in row.get("files", ())}


def hand_over(
    stage: Stage, released_by_shard: Iterable[tuple[str, dict[str, str]]], wanted: Iterable[SourceEntry]
) -> None:
    """Let rows no longer name files that are wanted of other samples; these rows are on the disk then.

    Args:
        stage: a stage whose samples share folders.
        released_by_shard: what `released` gives, by shard; taken one by one.
        wanted: all samples wanted.

    Raises:
        OSError: the disk is full or read-only.
    """
    owners = {name: (shard, key) for shard, files in released_by_shard for name, key in files.items()}
    taken: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    if owners:
        for entry in wanted:
            for name in _files(entry):
                shard, owner = owners.get(name, ("", entry.key))
                if owner != entry.key:
                    taken[shard][owner].add(name)
    for shard, by_key in taken.items():
        _give_up(stage, shard, by_key)


def hand_over_to(stage: Stage, entry: SourceEntry) -> None:
    """As `hand_over`, for one sample, whatever is wanted of the others."""
    files = set(_files(entry))
    named = []
    for shard, paths in list_shards(stage.ledger_dir).items():
        by_name = released(read_shard(stage.ledger_dir, shard, paths).rows, ())
        named.append((shard, {name: by_name[name] for name in files & by_name.keys()}))
    hand_over(stage, named, [entry])


def _files(entry: SourceEntry) -> list[str]:
    files: list[str] = json.loads(entry.entry).get("files", [])
    return files


def _give_up(stage: Stage, shard: str, by_key: dict[str, set[str]]) -> None:
    rows = read_shard(stage.ledger_dir, shard).rows
    writer = LedgerWriter(stage.ledger_dir, shard, {})
    try:
        for key, names in by_key.items():
            left = [name for name in rows[key]["files"] if name not in names]
            writer.append({"key": key, "status": "making", "files": left})
    finally:
        writer.close()
