"""Running a command and seeing what it takes."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.table import Cell

SIZES = (10_000, 300_000)  # samples of the made-up datasets
_SAID = re.compile(r"POLYMILL_BENCH (\d+) ([0-9.]+)")
# ru_maxrss of a child counts the pages of whoever started it, so a small process starts the command and reports it.
_WATCH = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode;"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
    "print('POLYMILL_BENCH', used.ru_maxrss, used.ru_utime + used.ru_stime); sys.exit(code)"
)


_COUNTING = Path(__file__).parent / "counting"


class Measured(NamedTuple):
    """What a command printed and took.

    Attributes:
        text: its output.
        wall_s, cpu_s: seconds.
        peak_mib: memory in MiB of its largest process.
        opened, listed, asked: files opened, folders listed, and files asked about by name; programs left out.
    """

    text: str
    wall_s: float
    cpu_s: float
    peak_mib: float
    opened: int
    listed: int
    asked: int


def run_measured(command: list[str], cwd: Path) -> Measured:
    """Run a command, with the programs beside this Python first on its path.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder, "counts")
        counts.touch()
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": f"{_COUNTING}:{os.environ.get('PYTHONPATH', '')}",
            "POLYMILL_COUNTS": str(counts),
        }
        started = time.monotonic()
        ran = subprocess.run(
            [sys.executable, "-c", _WATCH, *command],
            cwd=cwd,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
            env={**os.environ, **environment},
        )
        wall = time.monotonic() - started
        lines = [list(map(int, line.split())) for line in counts.read_text().splitlines()]
    opened, listed, asked = map(sum, zip(*lines, strict=True))
    peak, cpu = _SAID.findall(ran.stdout)[-1]
    return Measured(ran.stdout, wall, float(cpu), int(peak) / 1024, opened, listed, asked)


def rows_of_sizes(rows_of: Callable[[int, Path], list[list[Cell]]]) -> list[list[Cell]]:
    """The rows of a table that has those of each size, made in an empty folder that is removed afterwards."""
    rows: list[list[Cell]] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows += rows_of(size, Path(folder))
    return rows
