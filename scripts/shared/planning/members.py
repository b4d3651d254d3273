"""Membership: which shard a sample belongs to. Given once, at first sight, and kept.

The file has one line `<shard> <key>` a sample. Each save appends its lines and, to close them, a line with their
checksum: `# 1 <crc>`. Lines that none closes, or one that does not fit, are damaged: the ledgers are asked first then.
"""

import os
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.shared import atomic_files, ledger
from scripts.shared.errors import PlanningError

_LINE = re.compile(r"([0-9]{1,18}) (.+)")
_UNFIT = re.compile("[\n\r\0\ud800-\udfff]")
_CLOSE = b"# 1 "
_CLOSE_OF_ANY = re.compile(rb"# (\d+) [0-9a-f]{8}\n")


@dataclass
class Members:
    """The shard of every sample ever wanted.

    Attributes:
        shard_of: number of the shard by key.
        damaged: lines of the file that could not be used.
        unsaved: keys that stand in no file yet, in order.
        recalled: keys that the file had lost, and a ledger knows.
    """

    shard_of: dict[str, int] = field(default_factory=dict)
    damaged: int = 0
    unsaved: list[str] = field(default_factory=list)
    recalled: int = 0

    def recall(self, keys: Iterable[str], ledger_folders: Iterable[Path]) -> None:
        """Give unknown keys the shard whose ledger has a row of them: the file may have lost whole saves.

        Args:
            keys: all that are wanted.
            ledger_folders: ledgers of all stages; they are read where a key is unknown only.

        Raises:
            PlanningError: a newer version of Polymill wrote a ledger.
        """
        unknown = {key for key in keys if key not in self.shard_of}
        for folder in ledger_folders if unknown else ():
            for shard, known in ledger.keys_by_shard(folder):
                found = sorted(unknown & known)
                self.shard_of.update(dict.fromkeys(found, int(shard)))
                self.unsaved += found
                self.recalled += len(found)
                unknown.difference_update(found)

    def assign(self, keys: Iterable[str], shard_size: int) -> None:
        """Give each unknown key a shard: the last one while it has room, then new ones.

        Raises:
            PlanningError: a key cannot stand in the file.
        """
        last = max(self.shard_of.values(), default=0)
        held = sum(shard == last for shard in self.shard_of.values())
        for key in keys:
            if key in self.shard_of:
                continue
            if _UNFIT.search(key) or not key:
                raise PlanningError(
                    f"the list names a sample {key!r:.200}; no key may be empty, nor hold a line break, a NUL or half "
                    "of a character (what a file name that is not UTF-8 is read as): rename its source"
                )
            if held >= shard_size:
                last, held = last + 1, 0
            self.shard_of[key] = last
            self.unsaved.append(key)
            held += 1


def shard_name(shard: int) -> str:
    """Number of a shard as files are named by it: `00042`."""
    return f"{shard:05d}"


def read_members(path: Path, ledger_folders: Iterable[Path]) -> Members:
    """Read the members file; where it is missing or damaged, the ledgers fill in what they know.

    Args:
        path: the members file.
        ledger_folders: ledgers of all stages, whose file names tell the shard of each key they hold.

    Raises:
        PlanningError: a newer version wrote it.
    """
    members = Members()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    doubtful: list[bytes] = []
    for lines, whole in _blocks(content, path):
        if whole:
            _take(members, lines)
        else:
            doubtful += lines
            members.damaged += max(len(lines), 1)
    if not content or members.damaged:
        for folder in ledger_folders:
            for shard, keys in ledger.keys_by_shard(folder):
                for key in sorted(keys - members.shard_of.keys()):
                    members.shard_of[key] = int(shard)
                    members.unsaved.append(key)
                    members.recalled += 1
    # What is whole in a damaged block and in no ledger is right most likely, and costs one sample where it is not.
    _take(members, doubtful)
    return members


def _blocks(content: bytes, path: Path) -> Iterator[tuple[list[bytes], bool]]:
    """Yield the lines that were saved together, and whether their checksum fits."""
    start, lines = 0, content.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if (closing := _CLOSE_OF_ANY.fullmatch(line)) and int(closing[1]) > 1:
            raise PlanningError(
                f"{path}: written by a newer version of Polymill; update Polymill, or choose another output folder"
            )
        if line.startswith(_CLOSE):
            yield lines[start:number], line == _close(b"".join(lines[start:number]))
            start = number + 1
    if start < len(lines):
        yield lines[start:], False


def _close(data: bytes) -> bytes:
    return _CLOSE + b"%08x\n" % zlib.crc32(data)


def _take(members: Members, lines: list[bytes]) -> None:
    for line in lines:
        match = _LINE.fullmatch(line.decode(errors="replace").rstrip("\n"))
        if match and line.endswith(b"\n"):
            members.shard_of.setdefault(match[2], int(match[1]))


def save_members(path: Path, members: Members) -> None:
    """Add the unsaved keys to the file and flush it; a damaged file is replaced by a whole one.

    Raises:
        OSError: the disk is full or read-only.
    """
    if not members.unsaved and not members.damaged:
        return
    if members.damaged:
        atomic_files.write_bytes(path, _lines(members, members.shard_of))
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(_lines(members, members.unsaved))
            file.flush()
            os.fsync(file.fileno())
    members.unsaved = []


def forget_members(path: Path, keys: Collection[str]) -> None:
    """Take keys out of the file: should they come back, they are new. A damaged file is left to the planner.

    Raises:
        OSError: the disk is full or read-only.
    """
    members = read_members(path, [])
    if members.damaged or members.shard_of.keys().isdisjoint(keys):
        return
    for key in keys:
        members.shard_of.pop(key, None)
    atomic_files.write_bytes(path, _lines(members, members.shard_of))


def _lines(members: Members, keys: Iterable[str]) -> bytes:
    data = "".join(f"{shard_name(members.shard_of[key])} {key}\n" for key in keys).encode()
    return data + _close(data)
