"""The ledger: what a shard's files hold, sample by sample. Append-only, and the only memory that a run keeps.

A ledger is a folder of JSON Lines files `<shard>.<attempt>.jsonl`, one a job that worked on the shard. Attempts
count upwards; they are read in that order, and the last row of a key wins. Each line ends in a checksum of itself:
a torn or damaged line is skipped and counted, which costs that its sample is made again. Rows are

* `{"format": 1, "made_by": ID, "versions": {...}}`: first line, the libraries that made the rows naming ID;
* `{"key": K, "status": "making"}`: files of a finished sample are about to be replaced: it counts as missing; with
  `"files": [...]` where samples share folders: all that may be there of it now;
* `{"key": K, "status": "ok", "settings", "entry", "source", "files", "plan", "made_by", "folder_mtime_ns", "facts"}`,
  with `"files": {NAME: [size, digest]}`; without `folder_mtime_ns` where samples share folders, see `layout`;
* `{"key": K, "status": "failed", "settings", "entry", "source", "error", "message", "plan", "made_by"}`;
* `{"rate": {"made", "failed", "seconds", "at", "workers"}}`: how far a job was after so many seconds, at that
  Unix time: every ten seconds, and when it ended. `made` counts the failed ones too.
"""

import errno
import json
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from scripts.shared import atomic_files
from scripts.shared.errors import PlanningError

FORMAT = 1
_FILE_NAME = re.compile(r"(?P<shard>\d+)\.(?P<attempt>\d+-[0-9a-f]+)\.jsonl")
# How rows begin as `ShardWork` writes them; any other row is decoded whole.
_HEAD = re.compile(
    rb'\{"key":"([^"\\]+)","settings":"([^"\\]*)","entry":"([^"\\]*)","source":\[(-?\d+),(-?\d+)\],"plan":"([^"\\]*)",'
    rb'"made_by":"[^"\\]*","status":"([^"\\]*)"'
)
_SYNC_EVERY = 64  # rows; a power cut costs at most these and the samples in hand

Row = dict[str, Any]


@dataclass
class ShardLedger:
    """What the ledger files of one shard say.

    Attributes:
        rows: last row of each key.
        versions: libraries by `made_by`.
        rates: how far jobs were and when, in reading order.
        damaged: lines that could not be used.
        damaged_files: where these stand.
        lines: lines of keys that could.
        files: the files read, in reading order.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    versions: dict[str, Row] = field(default_factory=dict)
    rates: list[Row] = field(default_factory=list)
    damaged: int = 0
    damaged_files: list[Path] = field(default_factory=list)
    lines: int = 0
    files: list[Path] = field(default_factory=list)


def encode_row(row: Row) -> bytes:
    """One line: the row as JSON, its checksum as last member."""
    body = json.dumps(row, separators=(",", ":"))[:-1].encode("ascii")
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def decode_row(line: bytes) -> Row | None:
    """The row in a line, None where the line is torn or damaged."""
    body = _whole(line)
    if body is None:
        return None
    try:
        row = orjson.loads(body + b"}")
    except ValueError:
        row = json.loads(body + b"}")  # orjson refuses the lone surrogates of odd file names
    return row if isinstance(row, dict) else None


def decode_head(line: bytes) -> Row | None:
    """As `decode_row`, but of a sample's row only the members up to its status; a third of the time."""
    body = _whole(line)
    head = _HEAD.match(body) if body is not None else None
    if head is None:
        return decode_row(line)
    key, settings, entry, size, mtime_ns, plan, status = head.groups()
    return {
        "key": key.decode(),
        "settings": settings.decode(),
        "entry": entry.decode(),
        "source": [int(size), int(mtime_ns)],
        "plan": plan.decode(),
        "status": status.decode(),
    }


def _whole(line: bytes) -> bytes | None:
    """A line without its checksum and last brace, None where the checksum does not fit."""
    line = line.rstrip(b"\r\n")
    body, mark, tail = line[:-18], line[-18:-10], line[-10:]
    return body if mark == b',"crc":"' and tail == b'%08x"}' % zlib.crc32(body) else None


def read_shard(
    folder: Path,
    shard: str,
    files: list[Path] | None = None,
    *,
    decode: Callable[[bytes], Row | None] = decode_row,
) -> ShardLedger:
    """Read all attempts of a shard.

    Args:
        folder: the ledger folder.
        shard: number of the shard, as its files are named.
        files: the shard's files, where `list_shards` found them already.
        decode: `decode_row`, or `decode_head` where the whole rows are not needed.

    Raises:
        PlanningError: a newer version of Polymill wrote the ledger.
    """
    ledger = ShardLedger(files=list_shards(folder).get(shard, []) if files is None else files)
    for path in ledger.files:
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # compacted by a run that started meanwhile: its rows stand in the new file
            if path.is_symlink():  # nobody removed it, but what it leads to
                raise
            continue
        damaged = ledger.damaged
        for line in content.splitlines(keepends=True):
            row = decode(line) if line.endswith(b"\n") else None
            if row is None:
                ledger.damaged += 1
            else:
                ledger.lines += "key" in row
                _take(ledger, row, path)
        if ledger.damaged > damaged:
            ledger.damaged_files.append(path)
    return ledger


def _take(ledger: ShardLedger, row: Row, path: Path) -> None:
    if "key" in row:
        ledger.rows[row["key"]] = row
    elif "versions" in row:
        if row["format"] > FORMAT:
            raise PlanningError(
                f"{path}: written by a newer version of Polymill (ledger format {row['format']}, this version knows "
                f"{FORMAT}); update Polymill, or choose another output folder"
            )
        ledger.versions[row["made_by"]] = row
    elif "rate" in row:
        ledger.rates.append(row["rate"])


def list_shards(folder: Path) -> dict[str, list[Path]]:
    """The ledger files of each shard, in reading order."""
    found: dict[str, list[tuple[int, str]]] = {}
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return {}
    for name in names:
        if match := _FILE_NAME.fullmatch(name):
            number = int(match["attempt"].split("-")[0])
            found.setdefault(match["shard"], []).append((number, name))
    return {shard: [folder / name for _, name in sorted(files)] for shard, files in sorted(found.items())}


def keys_by_shard(folder: Path) -> Iterator[tuple[str, set[str]]]:
    """Which keys the ledger files of each shard name: membership, where its own file is lost."""
    for shard, files in list_shards(folder).items():
        yield shard, set(read_shard(folder, shard, files).rows)


class LedgerWriter:
    """Appends the rows of one attempt at a shard to a file of its own.

    Args:
        folder: the ledger folder.
        shard: number of the shard.
        versions: name and version of each library whose output the rows describe.
    """

    def __init__(self, folder: Path, shard: str, versions: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.attempt = _next_attempt(folder, shard)
        self.made_by = format(zlib.crc32(json.dumps(versions, sort_keys=True).encode()), "08x")
        self.path = folder / f"{shard}.{self.attempt}.jsonl"
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)
        self._unsynced = 0
        self.append({"format": FORMAT, "made_by": self.made_by, "versions": versions})

    def append(self, row: Row, *, sync: bool = False) -> None:
        """Add a row; with `sync` it is on the disk when this returns.

        Raises:
            OSError: the disk is full or gone.
        """
        line = encode_row(row)
        if os.write(self._descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        os.stat(self.path)  # fails where the folder was deleted or renamed under way, and rows would go to nowhere
        self._unsynced += 1
        if sync or self._unsynced >= _SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Flush all rows to the disk."""
        os.fsync(self._descriptor)
        self._unsynced = 0

    def close(self) -> None:
        """Flush and close the file."""
        self.sync()
        os.close(self._descriptor)


def compact(folder: Path, shard: str, ledger: ShardLedger) -> None:
    """Replace a shard's ledger files by one that holds the last row of each key.

    The new file is read last, so a kill between its rename and the removal of the others changes nothing.
    """
    used = {row.get("made_by") for row in ledger.rows.values()}
    lines = [encode_row(row) for made_by, row in ledger.versions.items() if made_by in used]
    lines += [encode_row(row) for row in ledger.rows.values()]
    lines += [encode_row({"rate": rate}) for rate in ledger.rates]
    atomic_files.write_bytes(folder / f"{shard}.{_next_attempt(folder, shard)}.jsonl", b"".join(lines))
    for path in ledger.files:
        path.unlink(missing_ok=True)


def _next_attempt(folder: Path, shard: str) -> str:
    files = list_shards(folder).get(shard)
    number = int(files[-1].name.split(".")[1].split("-")[0]) + 1 if files else 1
    # The random part keeps two jobs apart that start at once where the file system has no locks.
    return f"{number:06d}-{secrets.token_hex(4)}"
