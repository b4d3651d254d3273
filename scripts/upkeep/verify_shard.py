"""Look at the finished samples of one shard: do their files hold what the ledger says? Runs in a worker process."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from scripts.shared import layout
from scripts.shared.errors import JobError, PlanningError
from scripts.shared.fingerprints import digest_bytes, digest_file, digest_value
from scripts.shared.ledger import Row, read_shard
from scripts.shared.pickle_head import HEAD_BYTES
from scripts.shared.planning.staleness import same_source
from scripts.shared.planning.upstream import fingerprint, read_earlier
from scripts.shared.worker_process import load_function

SMALL_BYTES = 256 * 1024  # files up to here are read whole at every level

SampleChecker = Callable[[Mapping[str, bytes]], str]


@dataclass(frozen=True)
class ShardToVerify:
    """One shard of one stage.

    Attributes:
        dataset_dir: the dataset's results folder.
        ledger_dir: of the stage.
        shard: its number, as files are named.
        files: its ledger files.
        settings: the stage's settings that change bytes, as configured now.
        checker: `module:function` that makes a `SampleChecker` of these settings; empty where there is none.
        read_all: read every byte of every file.
        upstream: name of the earlier stage on whose files this one works; empty where there is none.
    """

    dataset_dir: Path
    ledger_dir: Path
    shard: str
    files: tuple[Path, ...]
    settings: dict[str, Any]
    checker: str
    read_all: bool
    upstream: str = ""


class SampleSeen(NamedTuple):
    """What was found of one sample on record.

    Attributes:
        key: the sample.
        status: of its last row: `ok`, `failed` or `making`.
        other_settings: whether that row was written under other settings.
        other_source: whether it was made from another file than the earlier stage has now.
        problem: class of what is wrong with its files; empty where nothing is.
        message: the problem in words; of a failed sample the class of its error.
    """

    key: str
    status: str
    other_settings: bool
    other_source: bool
    problem: str
    message: str


class ShardSeen(NamedTuple):
    """What was found in one shard.

    Attributes:
        shard: its number.
        samples: those on record.
        damaged_lines: how many of its ledger's lines are.
        folders: those at the top of the dataset's that hold files of samples that share folders.
    """

    shard: str
    samples: list[SampleSeen]
    damaged_lines: int
    folders: set[str]


def verify_shard(task: ShardToVerify) -> ShardSeen:
    """Look at the samples that a shard's ledger tells of.

    Raises:
        JobError: a newer version of Polymill wrote the ledger, or it cannot be read.
    """
    try:
        ledger = read_shard(task.ledger_dir, task.shard, list(task.files))
        earlier = read_earlier(task.dataset_dir, task.upstream, task.shard)
    except PlanningError as error:
        raise JobError(f"{error}") from None
    except OSError as error:
        raise JobError(f"{error.filename or task.ledger_dir}: {error.strerror}; verify again when mended") from error
    settings = digest_value(task.settings)
    check: SampleChecker | None = load_function(task.checker)(task.settings) if task.checker else None
    seen = []
    folders: set[str] = set()
    rows = list(ledger.rows.items())
    for number, (key, row) in enumerate(rows):
        if task.read_all:
            for _, following in rows[number + 1 : number + 2]:
                _read_ahead(task.dataset_dir, following)
        other, problem, message = row.get("settings", settings) != settings, "", row.get("error", "")
        if row["status"] == "ok":
            # Made under other settings a sample is of another shape; its files are compared with its row all the same.
            problem, message = _look(task.dataset_dir, row, None if other else check, task.read_all)
        other_source = bool(task.upstream) and not same_source(row, fingerprint(earlier.get(key)))
        seen.append(SampleSeen(key, row["status"], other, other_source, problem, message))
        if not layout.has_own_folder(row):
            folders.update(name.partition("/")[0] for name in row.get("files", ()))
    return ShardSeen(task.shard, seen, ledger.damaged, folders)


def _read_ahead(dataset_dir: Path, row: Row) -> None:
    """Let the disk read a sample's files while another one's are digested."""
    for name in row.get("files", ()):
        with suppress(OSError):  # what is wrong with them is told in their turn
            file = os.open(f"{dataset_dir}/{layout.sample_file(row, name)}", os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
            os.close(file)


def _look(dataset_dir: Path, row: Row, check: SampleChecker | None, read_all: bool) -> tuple[str, str]:
    """Class and words of what is wrong with a sample's files; empty where nothing is."""
    contents = {}
    for name, (size, digest) in row["files"].items():
        path = f"{dataset_dir}/{layout.sample_file(row, name)}"
        try:
            found = os.stat(path).st_size
            if found != size:
                return "file_size", f"{name} is of {found:,} bytes, on record are {size:,}"
            with open(path, "rb", buffering=0) as file:
                if size > SMALL_BYTES and not read_all:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # no 128 KiB read ahead
                contents[name] = file.read(size if size <= SMALL_BYTES else HEAD_BYTES)
            if size <= SMALL_BYTES:
                right = digest_bytes(contents[name]) == digest
            else:
                right = not read_all or digest_file(Path(path)) == digest
        except FileNotFoundError:
            return "file_missing", f"{name} is not there"
        except OSError as error:
            return "file_unreadable", f"{name}: {error.strerror}"
        if not right:
            return "file_damaged", f"{name} does not hold what was written"
    wrong = check(contents) if check is not None else ""
    return ("file_content", wrong) if wrong else ("", "")
