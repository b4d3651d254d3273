"""What this machine has to spare: processors, memory, disks."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.shared.planning.report import existing_parent


@dataclass(frozen=True)
class Disk:
    """A file system.

    Attributes:
        folder: one that lies on it.
        free, total: in bytes.
    """

    folder: Path
    free: int
    total: int


@dataclass(frozen=True)
class Machine:
    """This machine at this moment.

    Attributes:
        load: processes that compute or wait for a disk, averaged over a minute.
        cores: processor cores.
        memory_used, memory_total: in bytes.
    """

    load: float
    cores: int
    memory_used: int
    memory_total: int


def read_machine() -> Machine:
    """Look at processors and memory."""
    memory = psutil.virtual_memory()
    return Machine(os.getloadavg()[0], psutil.cpu_count() or 1, memory.total - memory.available, memory.total)


def read_disks(folders: Iterable[Path]) -> list[Disk]:
    """The file systems that folders lie on, or will lie on; each once, under the first folder on it."""
    found: dict[int, Disk] = {}
    for folder in folders:
        there = existing_parent(folder)
        number = os.stat(there).st_dev
        if number not in found:
            usage = shutil.disk_usage(there)
            found[number] = Disk(folder, usage.free, usage.total)
    return list(found.values())
