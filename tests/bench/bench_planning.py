"""Planning 10,000 and 300,000 clips through the `snakemake` command."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.made_up import write_pairs
from tests.bench.measured import rows_of_sizes, run_measured
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[2]


def run() -> Table:
    """Make the tree once a size, then ask for the plan in each state."""
    return Table(
        title="Planning",
        about=(
            "The `snakemake` command on made-up datasets: wall and CPU seconds, peak memory in MiB, and the samples "
            "that it says it would make. A no-op leaves everything as it is."
        ),
        columns=["clips, command", "wall s", "CPU s", "MiB", "to make"],
        rows=rows_of_sizes(_size),
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
    ran = run_measured([*snakemake, "-c2", "-q", "--configfile", str(config)], config.parent)
    to_make = re.search(r"made, (?:([0-9,]+) to make|nothing to make)", ran.text)
    assert to_make, ran.text
    return [name, round(ran.wall_s, 1), round(ran.cpu_s, 1), round(ran.peak_mib), to_make[1] or "0"]
