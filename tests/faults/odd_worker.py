"""The toy system's worker, for which the words of a source are orders to a machine that is not well."""

import errno
import resource
import shutil
from pathlib import Path

from scripts.shared.errors import SampleError
from scripts.shared.sample_task import MadeSample, SampleTask
from tests.toy_system import make_sample

_HUGE = 1 << 30  # bytes


def make(task: SampleTask) -> MadeSample:
    """Make a sample of the toy system. `refuse ESTALE`: its source is refused so; `huge`: it takes a gigabyte."""
    word, _, more = task.source.read_text(encoding="utf-8").partition(" ")
    if word == "refuse":
        refused = OSError(getattr(errno, more), "refused", str(task.source))
        raise SampleError("unreadable", f"{task.source.name}: {more}") from refused
    if word == "limited":
        with Path("/proc/self/statm").open() as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + _HUGE // 4, resource.RLIM_INFINITY))
    if word in ("huge", "limited"):
        bytearray(_HUGE)
    if word == "unmount":  # as a mount point is left
        shutil.rmtree(task.source.parent)
        task.source.parent.mkdir()
        raise SampleError("not_found", f"{task.source.name}: no such file")
    return make_sample(task)
