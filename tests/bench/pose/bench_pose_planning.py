"""Planning the three stages of 10,000 captions through the `snakemake` command."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.measured import run_measured
from tests.bench.pose.pose_job import captions, write_config
from tests.bench.table import Cell, Table
from tests.pose_models import write_checkpoints
from tests.pose_place import write_clip

ROOT = Path(__file__).resolve().parents[3]
N_CAPTIONS, N_MORE = 10_000, 100


def run() -> Table:
    """Make the tree once, then ask for the plan in each state."""
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(Path(folder), N_CAPTIONS)
    return Table(
        title="Planning of poses",
        about=(
            f"The `snakemake` command on {N_CAPTIONS:,} captions with the stages text, generate and render, official "
            "checkpoints and made-up samples: wall and CPU seconds, peak memory in MiB, and the samples of the three "
            "stages together that it says it would make. A no-op leaves everything as it is."
        ),
        columns=["captions, command", "wall s", "CPU s", "MiB", "to make"],
        rows=rows,
    )


def _rows(folder: Path, n: int) -> list[list[Cell]]:
    config = write_config(folder, n, checkpoints=str(write_checkpoints(folder)), clip=str(write_clip(folder / "clip")))
    rows = [_row(f"{n:,}, -n, nothing made", config, "-n")]
    # In a process of its own, because who plans holds the dataset until it ends.
    subprocess.run([sys.executable, "-m", "tests.bench.pose.pose_job", str(config)], cwd=ROOT, check=True)
    rows.append(_row(f"{n:,}, run, index alone to make", config))
    rows.append(_row(f"{n:,}, -n, all made", config, "-n"))
    rows.append(_row(f"{n:,}, run, all made", config))
    min((folder / "results/pose/many/poses").glob("*.png")).unlink()
    rows.append(_row(f"{n:,}, -n, one picture deleted", config, "-n"))
    with (folder / "captions.txt").open("a", encoding="utf-8") as file:
        file.writelines(f"{caption}\n" for caption in captions(n + N_MORE)[n:])
    rows.append(_row(f"{n:,}, -n, and {N_MORE} captions more", config, "-n"))
    return rows


def _row(name: str, config: Path, *flags: str) -> list[Cell]:
    snakemake = [str(Path(sys.executable).parent / "snakemake"), "-s", str(ROOT / "Snakefile"), "pose_all", *flags]
    ran = run_measured([*snakemake, "-c2", "-q", "--configfile", str(config)], config.parent)
    to_make = [int(n.replace(",", "") or 0) for n in re.findall(r"made, (?:([0-9,]+) to|nothing to) make", ran.text)]
    assert len(to_make) == 3, ran.text
    return [name, round(ran.wall_s, 1), round(ran.cpu_s, 1), round(ran.peak_mib), f"{sum(to_make):,}"]
