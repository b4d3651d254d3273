"""Planning 10,000 and 300,000 clips through the `snakemake` command."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.made_up import write_pairs
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[2]
SIZES = (10_000, 300_000)
_PEAK = re.compile(r"POLYMILL_BENCH (\d+) ([0-9.]+)")
# ru_maxrss of a child counts the pages of whoever started it, so a small process starts Snakemake and reports it.
_WATCH = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode;"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
    "print('POLYMILL_BENCH', used.ru_maxrss, used.ru_utime + used.ru_stime); sys.exit(code)"
)


def run() -> Table:
    """Make the tree once a size, then ask for the plan in each state."""
    rows: list[list[Cell]] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows += _size(size, Path(folder))
    return Table(
        title="Planning",
        about=(
            "The `snakemake` command on made-up datasets: wall and CPU seconds, peak memory in MiB, and the samples "
            "that it says it would make. A no-op leaves everything as it is."
        ),
        columns=["clips, command", "wall s", "CPU s", "MiB", "to make"],
        rows=rows,
    )


def _size(size: int, folder: Path) -> list[list[Cell]]:
    config = write_pairs(folder / "data", size)
    rows = [_row(f"{size:,}, -n, nothing made", config, "-n")]
    # In a process of its own, because who plans holds the dataset until it ends.
    subprocess.run([sys.executable, "-m", "tests.bench.made_up", str(config)], cwd=ROOT, check=True)
    rows.append(_row(f"{size:,}, -n, all made", config, "-n"))
    rows.append(_row(f"{size:,}, run, all made", config))
    touched = next(iter(sorted((folder / "data" / "clips").iterdir())))
    os.utime(touched)
    rows.append(_row(f"{size:,}, -n, one clip touched", config, "-n"))
    shutil.rmtree(folder / "data" / "work")
    rows.append(_row(f"{size:,}, -n, work folder deleted", config, "-n"))
    return rows


def _row(name: str, config: Path, *flags: str) -> list[Cell]:
    snakemake = [str(Path(sys.executable).parent / "snakemake"), "-s", str(ROOT / "Snakefile"), "all_clip4mc", *flags]
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", _WATCH, *snakemake, "-c2", "-q", "--configfile", str(config)],
        cwd=config.parent,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    wall = time.monotonic() - started
    peak, cpu = _PEAK.findall(ran.stdout)[-1]
    to_make = re.search(r"made, (?:([0-9,]+) to make|nothing to make)", ran.stdout)
    assert to_make, ran.stdout
    return [name, round(wall, 1), round(float(cpu), 1), round(int(peak) / 1024), to_make[1] or "0"]
