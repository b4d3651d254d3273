"""What a worker gets and gives for one sample; the same for every system."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import SourceStat, digest_bytes, stat_source

_TRIES_WHILE_SOURCE_CHANGES = 3


@dataclass(frozen=True)
class SampleTask:
    """One sample to make.

    Attributes:
        key: the sample's key.
        entry: what the source list says of it.
        settings: the settings that change bytes.
        means: what is used and changes no bytes, by name: folders, a decoder.
        source: its source file.
        folder: where its files go until they are complete.
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
        files: size in bytes and digest by file name.
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
    for _ in range(_TRIES_WHILE_SOURCE_CHANGES):
        before = stat_source(task.source)
        contents, facts = make(task)
        if stat_source(task.source) == before:
            break
    else:
        raise SampleError(
            "source_changed", f"{task.source.name} changes while it is read; run again when it is at rest"
        )
    with disk_errors(task.folder):
        task.folder.mkdir(parents=True)
        for name, data in contents.items():
            atomic_files.write_synced(task.folder / name, data)
    files = {name: (len(data), digest_bytes(data)) for name, data in contents.items()}
    return MadeSample(before, files, facts)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what a disk refuses while a folder is written into a `JobError`: it is not the sample's fault."""
    try:
        yield
    except OSError as error:
        raise JobError(
            f"cannot write {error.filename or folder}: {error.strerror}; make room or mend the disk and run "
            "again: what is finished is kept"
        ) from error
