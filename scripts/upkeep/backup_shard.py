"""Put the finished samples of one shard into a snapshot. Runs in a worker process."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from scripts.shared import atomic_files, layout
from scripts.shared.disk_errors import disk_words
from scripts.shared.errors import JobError, PlanningError, PolymillError
from scripts.shared.fingerprints import digest_file
from scripts.shared.ledger import Row, ShardLedger, compact, list_shards, read_shard
from scripts.upkeep.names import can_be_followed
from scripts.upkeep.sha256sums import read_sums, sha256_of, sum_key, sum_line
from scripts.upkeep.shard_hold import shard_held

_CHUNK_BYTES = 1 << 20
# What is answered where a file cannot be linked or moved: no such thing here, too many links, gone.
NO_LINK = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES, errno.ENOENT)


@dataclass(frozen=True)
class ShardToBackUp:
    """One shard of one stage.

    Attributes:
        label: the dataset in words: `clip4mc train`.
        dataset_dir: the dataset's results folder.
        stage: name of the stage.
        shard: its number, as files are named.
        snapshot: where the copy goes; nobody else writes there.
        unfinished: snapshots of backups that were ended, newest first: what is right there is moved.
        newest: the newest whole snapshot: what did not change since is linked to.
    """

    label: str
    dataset_dir: Path
    stage: str
    shard: str
    snapshot: Path
    unfinished: tuple[Path, ...]
    newest: Path | None


@dataclass
class ShardBackup:
    """What became of a shard.

    Attributes:
        n_samples: finished samples now in the snapshot.
        n_linked, n_copied: their files that are links to those of the newest snapshot, and the others.
        n_bytes: of the files copied.
        busy: who works on the shard, which is left out then.
        left_out: samples whose files are not as recorded, each with what is wrong.
        kept: such samples too, of which the newest snapshot has what was recorded.
    """

    n_samples: int = 0
    n_linked: int = 0
    n_copied: int = 0
    n_bytes: int = 0
    busy: str = ""
    left_out: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


def sums_file(dataset_dir: Path, stage: str, shard: str) -> Path:
    """The SHA-256 of each file of a shard, in a snapshot."""
    return layout.state_dir(dataset_dir) / stage / "sha256" / shard


def back_up_shard(task: ShardToBackUp) -> ShardBackup:
    """Copy a shard's finished samples and its ledger, unless a job works on it.

    Raises:
        JobError: the disk refuses, or what was written is not what is read back.
    """
    try:
        with shard_held(task.dataset_dir, [task.stage], task.shard) as busy_with:
            return ShardBackup(busy=busy_with) if busy_with else _Copying(task).run()
    except PlanningError as error:
        raise JobError(f"{error}") from None
    except OSError as error:
        raise disk_error(task.label, error, task.snapshot) from error


def disk_error(label: str, error: OSError, snapshot: Path) -> JobError:
    """What a disk refused, with the mend."""
    kept = f"the next backup goes on from {snapshot}, and earlier snapshots are as they were"
    return JobError(f"[{label}] {disk_words(error, snapshot, kept=kept)}")


class DamagedError(PolymillError):
    """A file is not as recorded, or cannot be read."""


class _Earlier:
    """What an earlier backup holds of a shard."""

    def __init__(self, folder: Path, task: ShardToBackUp, *, finished: bool) -> None:
        self.folder, self.finished = folder, finished
        self._task = task

    @cached_property
    def _rows(self) -> dict[str, Row]:
        return read_shard(layout.ledger_dir(self.folder, self._task.stage), self._task.shard).rows

    @cached_property
    def _sums(self) -> dict[bytes, str]:
        return read_sums(sums_file(self.folder, self._task.stage, self._task.shard))

    def sha256(self, row: Row, name: str) -> str | None:
        """Of a file that is here as a row has it; None where it is not."""
        place, recorded = layout.sample_file(row, name), row["files"][name]
        path = self.folder / place
        # The ledger was written after all files of its shard: what it names was read back.
        if self._rows.get(row["key"], {}).get("files", {}).get(name) == recorded and _has_size(path, recorded[0]):
            return self._sums.get(sum_key(place))
        if self.finished:
            return None
        try:
            return sha256_of(path) if digest_file(path) == recorded[1] else None
        except OSError:
            return None


def _has_size(path: Path, size: int | str) -> bool:
    try:
        return os.stat(path).st_size == size
    except OSError:
        return False


class _Copying:
    """The work on one shard whose lock is held."""

    def __init__(self, task: ShardToBackUp) -> None:
        self.task = task
        self.done = ShardBackup()
        self.sums: list[bytes] = []
        self.earlier = [_Earlier(folder, task, finished=False) for folder in task.unfinished]
        if task.newest is not None:
            self.earlier.append(_Earlier(task.newest, task, finished=True))

    def run(self) -> ShardBackup:
        task = self.task
        ledger = read_shard(layout.ledger_dir(task.dataset_dir, task.stage), task.shard)
        rows = {}
        for key, row in sorted(ledger.rows.items()):
            if row["status"] == "ok" and not can_be_followed(row):
                self.done.left_out[key] = "its name, or that of a file, leads out of its folder"
            elif row["status"] == "failed" or (row["status"] == "ok" and self._sample(row)):
                rows[key] = row
        atomic_files.write_bytes(sums_file(task.snapshot, task.stage, task.shard), b"".join(self.sums))
        folder = layout.ledger_dir(task.snapshot, task.stage)
        before = list_shards(folder).get(task.shard, [])
        compact(folder, task.shard, ShardLedger(rows, ledger.versions, ledger.rates, files=before))
        return self.done

    def _sample(self, row: Row) -> bool:
        """Put a sample into the snapshot; whether it could be."""
        key, copied, lines = row["key"], [], []
        try:
            for name in row["files"]:
                place = layout.sample_file(row, name)
                path = self.task.snapshot / place
                path.parent.mkdir(parents=True, exist_ok=True)
                if os.path.lexists(path):
                    raise DamagedError(f"{name} is another sample's too")
                copied.append(path)
                lines.append(sum_line(self._file(row, name), place))
        except DamagedError as error:
            self.done.left_out[key] = f"{error}"
            for path in copied:
                path.unlink(missing_ok=True)
            if layout.has_own_folder(row):
                with suppress(OSError):  # another stage's files are there
                    (self.task.snapshot / key).rmdir()
            return False
        if layout.has_own_folder(row):
            # As it will be after `cp -a`: the planner then trusts the folder as it trusts its own.
            os.utime(self.task.snapshot / key, ns=(row["folder_mtime_ns"],) * 2)
        self.sums += lines
        self.done.n_samples += 1
        for name, (size, _) in row["files"].items():
            if not _has_size(self.task.dataset_dir / layout.sample_file(row, name), size):
                self.done.kept[key] = f"{name} is missing or not of {size:,} bytes"
        return True

    def _file(self, row: Row, name: str) -> str:
        """Put a file into the snapshot; its SHA-256."""
        place, recorded = layout.sample_file(row, name), row["files"][name]
        path = self.task.snapshot / place
        for earlier in self.earlier:
            digest = earlier.sha256(row, name)
            if digest is not None and _taken(earlier.folder / place, path, move=not earlier.finished):
                self.done.n_linked += earlier.finished
                self.done.n_copied += not earlier.finished
                return digest
        self.done.n_copied += 1
        self.done.n_bytes += int(recorded[0])
        return copy_file(self.task.dataset_dir / place, path, recorded=recorded)


def _taken(old: Path, new: Path, *, move: bool) -> bool:
    """Give a file of an earlier backup its place in this one, where the file system can."""
    try:
        (os.rename if move else os.link)(old, new)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        return False
    return True


def copy_file(source: Path, target: Path, *, recorded: list[int | str] | None = None) -> str:
    """Copy a file, flush it, and read the copy back.

    Args:
        source: the file.
        target: its copy; replaced where it exists.
        recorded: size and `digest_file` that the source must have.

    Returns:
        SHA-256 of the content.

    Raises:
        DamagedError: the source is not as recorded, or cannot be read.
        JobError: the copy is not what was written.
        OSError: the disk of the copy refuses.
    """
    own, sha256, size = hashlib.blake2b(digest_size=16), hashlib.sha256(), 0
    with target.open("wb") as copy:
        for chunk in _chunks(source):
            own.update(chunk)
            sha256.update(chunk)
            copy.write(chunk)
            size += len(chunk)
        if recorded is not None and [size, own.hexdigest()] != recorded:
            raise DamagedError(f"{source.name} does not hold what was written")
        copy.flush()
        os.fsync(copy.fileno())
        os.posix_fadvise(copy.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # so that the disk is read, not the memory
    mtime_ns = os.stat(source).st_mtime_ns
    os.utime(target, ns=(mtime_ns, mtime_ns))
    if sha256_of(target) != sha256.hexdigest():
        raise JobError(f"{target}: the copy is not what was written; is the disk failing?")
    return sha256.hexdigest()


def _chunks(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise DamagedError(f"{source.name}: {error.strerror}") from error
