"""What a shard job through SLURM takes beyond its work: one with nothing to make, there and called directly."""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from scripts.clip4mc.stage import frames_stage
from scripts.shared import layout
from scripts.shared.config import read_config, read_schema
from tests.bench.made_up import NAME, write
from tests.bench.measured import run_measured
from tests.bench.table import Cell, NotMeasured, Table
from tests.slurm.cluster import IMPATIENT, Cluster, missing_tool, submitted

ROOT = Path(__file__).resolve().parents[2]
SIZES = (1_000, 300_000)
JOBS = 8
WORKERS = 8
# What the rule's script does, without Snakemake.
_ALONE = (
    "import sys; from pathlib import Path; from scripts.shared.shard_job import run_shard;"
    "run_shard(Path(sys.argv[1]), Path(sys.argv[2]), function='scripts.clip4mc.sample:make_sample', versions={},"
    f" workers={WORKERS})"
)


def run() -> Table:
    """Finish a dataset of each size, take receipts away, and let jobs check the samples and write them anew."""
    table = Table(
        title="A shard job through SLURM",
        about=(
            f"A CLIP4MC shard job whose samples are all made, mean of {JOBS}, one at a time: through `--profile slurm` "
            "on a one-node SLURM 22.05 (from its start to its end, as sacct tells; sbatch, then two starts of "
            "Snakemake, of which each reads the Snakefile, then the job's script), and its function called in a "
            "process of its own, which is the work. What is left is paid once a shard, whatever its size."
        ),
        columns=["clips (of a shard), job", "wall s", "CPU s"],
        rows=[],
    )
    if why := missing_tool():
        raise NotMeasured(table, why)
    rows: list[list[Cell]] = []
    with _cluster() as cluster:
        for size in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                rows += _rows(size, Path(folder), cluster)
    return Table(table.title, table.about, table.columns, rows)


@contextmanager
def _cluster() -> Iterator[Cluster]:
    """A SLURM with room for one job."""
    with tempfile.TemporaryDirectory() as folder:
        running = Cluster.start(Path(folder), gpus=0, cpus=WORKERS)
        try:
            yield running
        finally:
            running.stop()


def _rows(size: int, folder: Path, cluster: Cluster) -> list[list[Cell]]:
    shard_size = min(size // JOBS, read_schema()["properties"]["clip4mc"]["properties"]["shard_size"]["default"])
    config = write(folder / "data", size)
    options = yaml.safe_load(config.read_text())
    options["clip4mc"] |= {"shard_size": shard_size, "workers": WORKERS}
    config.write_text(yaml.safe_dump(options))
    subprocess.run([sys.executable, "-m", "tests.bench.made_up", str(config)], cwd=ROOT, check=True)
    stage = frames_stage(read_config(config), NAME)
    shards = [f"{number:05d}" for number in range(JOBS)]
    receipts = {shard: layout.receipt_file(stage.stage_work_dir, shard) for shard in shards}
    through = _through_slurm(config, list(receipts.values()), cluster)
    alone = [_alone(layout.plan_file(stage.stage_work_dir, shard), receipt) for shard, receipt in receipts.items()]
    name = f"{size:,} ({shard_size:,})"
    rows = [("through SLURM", through), ("its function alone", alone)]
    means = [[statistics.mean(job[column] for job in jobs) for column in (0, 1)] for _, jobs in rows]
    left = [of_slurm - of_work for of_slurm, of_work in zip(*means, strict=True)]
    named = [*zip((what for what, _ in rows), means, strict=True), ("left: the overhead", left)]
    return [[f"{name}, {what}", *(round(value, 2) for value in values)] for what, values in named]


def _through_slurm(config: Path, receipts: list[Path], cluster: Cluster) -> list[tuple[float, float]]:
    """Wall and CPU seconds of each job."""
    for receipt in receipts:
        receipt.unlink()
    command = [str(Path(sys.executable).parent / "snakemake"), "-s", str(ROOT / "Snakefile")]
    profile = ["--profile", str(ROOT / "profiles" / "slurm"), *IMPATIENT, "--configfile", str(config)]
    ran = subprocess.run(
        [*command, *map(str, receipts), *profile], cwd=config.parent, env=cluster.environment, text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    jobs = [job for job, _ in submitted(ran.stdout)]
    assert len(jobs) == len(receipts), ran.stdout
    walls = cluster.accounting(*jobs, fields="ElapsedRaw")
    steps = cluster.tell("sacct", "-n", "-P", "-o", "JobID,TotalCPU", "-j", ",".join(jobs)).splitlines()
    cpu: dict[str, float] = dict.fromkeys(jobs, 0.0)
    for step, clock in (line.split("|") for line in steps):
        if "." in step:  # the batch script, and what it calls by srun
            cpu[step.split(".")[0]] += _seconds(clock)
    return [(float(walls[job][0]), cpu[job]) for job in jobs]


def _seconds(clock: str) -> float:
    """Seconds of SLURM's `[hours:]minutes:seconds`."""
    seconds = 0.0
    for part in clock.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


def _alone(plan: Path, receipt: Path) -> tuple[float, float]:
    receipt.unlink()
    ran = run_measured([sys.executable, "-c", _ALONE, str(plan), str(receipt)], ROOT)
    return ran.wall_s, ran.cpu_s
