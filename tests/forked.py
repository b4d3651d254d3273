"""Processes of a test that are copies of it: they need not import again what takes PyTorch seconds."""

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.shared.errors import PolymillError
from scripts.shared.training.launch import RENDEZVOUS


def fork(work: Callable[[], None]) -> int:
    """Run something that may be killed in a process of its own; its number."""
    import torch._dynamo  # noqa: F401 - as PyTorch does at a first step: once here, and not in each copy

    if pid := os.fork():
        return pid
    status = 1
    try:
        work()
        status = 0
    except PolymillError as error:
        sys.stderr.write(f"{error}\n")
        status = error.exit_status
    finally:
        if status == 1:
            traceback.print_exc()
        os._exit(status)


def in_a_process(work: Callable[[], None]) -> int:
    """Wait for it; returns how it ended, as `subprocess` counts."""
    return os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1])


def in_processes(n: int, work: Callable[[], None]) -> list[int]:
    """The same in several that find each other as those of one training; how each ended."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        pids = []
        for rank in range(n):
            together = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": n, "GLOO_SOCKET_IFNAME": "lo"}
            for name, value in together.items():
                patch.setenv(name, str(value))
            patch.setenv(RENDEZVOUS, f"file://{Path(folder, 'rendezvous')}")
            pids.append(fork(work))
        return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
