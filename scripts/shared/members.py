"""Membership: which shard a sample belongs to. Given once, at first sight, and kept."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from scripts.shared import atomic_files, ledger

_LINE = re.compile(r"(\d+) (.+)")


@dataclass
class Members:
    """The shard of every sample ever wanted.

    Attributes:
        shard_of: number of the shard by key.
        damaged: lines of the file that could not be used.
        unsaved: keys that stand in no file yet, in order.
    """

    shard_of: dict[str, int] = field(default_factory=dict)
    damaged: int = 0
    unsaved: list[str] = field(default_factory=list)

    def assign(self, keys: Iterable[str], shard_size: int) -> int:
        """Give each unknown key a shard: the last one while it has room, then new ones.

        Returns:
            How many keys were new.
        """
        last = max(self.shard_of.values(), default=0)
        held = sum(shard == last for shard in self.shard_of.values())
        before = len(self.unsaved)
        for key in keys:
            if key in self.shard_of:
                continue
            if held >= shard_size:
                last, held = last + 1, 0
            self.shard_of[key] = last
            self.unsaved.append(key)
            held += 1
        return len(self.unsaved) - before


def shard_name(shard: int) -> str:
    """Number of a shard as files are named by it: `00042`."""
    return f"{shard:05d}"


def read_members(path: Path, ledger_folders: Iterable[Path]) -> Members:
    """Read the members file; where it is missing or damaged, the ledgers fill in what they know.

    Args:
        path: the members file, one line `<shard> <key>` a sample.
        ledger_folders: ledgers of all stages, whose file names tell the shard of each key they hold.
    """
    members = Members()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        text = None
    for line in (text or "").splitlines(keepends=True):
        match = _LINE.fullmatch(line.rstrip("\n")) if line.endswith("\n") else None
        if match is None:
            members.damaged += 1
        else:
            # The first line of a key holds: a damaged one may have been added again at the end.
            members.shard_of.setdefault(match[2], int(match[1]))
    if text is None or members.damaged:
        for folder in ledger_folders:
            for shard, keys in ledger.keys_by_shard(folder):
                for key in sorted(keys - members.shard_of.keys()):
                    members.shard_of[key] = int(shard)
                    members.unsaved.append(key)
    return members


def save_members(path: Path, members: Members) -> None:
    """Add the unsaved keys to the file and flush it; a damaged file is replaced by a whole one.

    Raises:
        OSError: the disk is full or read-only.
    """
    if not members.unsaved and not members.damaged:
        return
    keys = list(members.shard_of) if members.damaged else members.unsaved
    data = "".join(f"{shard_name(members.shard_of[key])} {key}\n" for key in keys).encode()
    if members.damaged:
        atomic_files.write_bytes(path, data)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    members.unsaved = []
