"""What a worker gets and gives for one sample; the same for every system."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from scripts.shared import atomic_files
from scripts.shared.disk_errors import disk_errors
from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import SourceStat, digest_bytes, stat_source

_TRIES_WHILE_SOURCE_CHANGES = 3

Read = TypeVar("Read")


@dataclass(frozen=True)
class SampleTask:
    """One sample to make.

    Attributes:
        key: the sample's key.
        entry: what the source list says of it.
        settings: the settings that change bytes.
        means: what is used and changes no bytes, by name: folders, a decoder.
        source: its source file.
        folder: where its files go until they are complete, under the names that they will have below its own folder, or
            below the dataset's where samples share folders.
    """

    key: str
    entry: dict[str, Any]
    settings: dict[str, Any]
    means: dict[str, Any]
    source: Path
    folder: Path


@dataclass(frozen=True)
class MadeSample:
    """One sample made: complete files in the task's folder.

    Attributes:
        source: the source file as it was before it was opened.
        files: size in bytes and digest by file name; where samples share folders, those that its entry names.
        facts: what the system wants remembered, as plain JSON types.
    """

    source: SourceStat
    files: dict[str, tuple[int, str]]
    facts: dict[str, Any]


Make = Callable[[SampleTask], tuple[dict[str, bytes], dict[str, Any]]]


def make_files(task: SampleTask, make: Make) -> MadeSample:
    """Make a sample's files and write them to the task's folder, flushed.

    Args:
        task: the sample.
        make: the system's function: the content of each file by name, and the facts to remember.

    Raises:
        SampleError: whatever `make` raises; `source_changed` where the source file is being written to.
        JobError: the files cannot be written: disk full, read-only, gone.
    """
    source, (contents, facts) = read_at_rest(task.source, lambda: make(task))
    return write_files(task, source, contents, facts)


def read_at_rest(source: Path, read: Callable[[], Read]) -> tuple[SourceStat, Read]:
    """What `read` makes of a source file, and the file as it was before and after.

    Raises:
        SampleError: whatever `read` raises; `source_changed` where the file is being written to.
    """
    for _ in range(_TRIES_WHILE_SOURCE_CHANGES):
        before, inode_before = stat_source(source), _inode_changed_ns(source)
        result = read()
        # A copy that keeps times may come under way too: the inode's own time tells, which nobody can set.
        if (stat_source(source), _inode_changed_ns(source)) == (before, inode_before):
            return before, result
    raise SampleError("source_changed", f"{source.name} changes while it is read; run again when it is at rest")


def _inode_changed_ns(source: Path) -> int:
    try:
        return os.stat(source).st_ctime_ns
    except (OSError, ValueError):
        return -1


def write_files(task: SampleTask, source: SourceStat, contents: dict[str, bytes], facts: dict[str, Any]) -> MadeSample:
    """Write a sample's files to the task's folder, flushed.

    Args:
        task: the sample.
        source: its source file as it was before it was opened.
        contents: of each file by name; see `MadeSample.files`.
        facts: to remember.

    Raises:
        JobError: the files cannot be written: disk full, read-only, gone.
    """
    with disk_errors(task.folder, JobError):
        for name, data in contents.items():
            path = task.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_files.write_synced(path, data)
    files = {name: (len(data), digest_bytes(data)) for name, data in contents.items()}
    return MadeSample(source, files, facts)
