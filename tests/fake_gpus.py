"""GPUs that a test's own process sees, by the stand-in for the driver's library."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.shared import devices

STAND_INS = Path(__file__).parent / "stand_ins"


@contextmanager
def fake_gpus(monkeypatch: pytest.MonkeyPatch, locks: Path, *uuids: str) -> Iterator[None]:
    """Let there be these GPUs and no others, leased in a folder of their own."""
    monkeypatch.syspath_prepend(str(STAND_INS))
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    for name in ("CUDA_VISIBLE_DEVICES", "POLYMILL_GPUS_ARE_MINE", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POLYMILL_FAKE_GPUS", ",".join(uuids))
    monkeypatch.setattr(devices, "LOCKS", locks)
    yield
    sys.modules.pop("pynvml", None)  # the stand-in is no module for the tests that follow
