"""Packing of 1,000 CLIP4MC samples of 2 MB into tars, against `tar cf` of the same files."""

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from scripts.clip4mc.stage import frames_stage
from scripts.shared.config import load_config
from scripts.shared.planning.plans import PlanMode, Plans
from scripts.upkeep.packing.asking import Packing
from scripts.upkeep.packing.shard import ShardToPack, pack_shard
from scripts.upkeep.request_file import read_request
from tests.bench.bench_verify import Taken, taken_by
from tests.bench.made_up import NAME, write
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[2]
N_SAMPLES = 1_000
SHARD_SIZE = 250
ROUNDS = 3


def run() -> Table:
    """Make the samples once; pack them in both ways in turn."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = _asked(Path(folder), N_SAMPLES)
        dataset_dir, packed = Path(tasks[0].dataset_dir), Path(tasks[0].packed_dir)
        names = sorted(str(path.relative_to(dataset_dir)) for path in dataset_dir.glob("sample_*/*"))
        n_bytes = sum((dataset_dir / name).stat().st_size for name in names)
        ways = {
            "packed": lambda: _pack(tasks),
            "nothing to do": lambda: _pack(tasks),
            "tar cf, then sync": lambda: _tar(names, dataset_dir, Path(folder, "all.tar")),
        }
        taken: dict[str, list[Taken]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                taken[name].append(taken_by(way))
            subprocess.run(["rm", "-r", str(packed), str(Path(folder, "all.tar"))], check=True)
        rows = [_row(name, sorted(times)[ROUNDS // 2], len(names), n_bytes) for name, times in taken.items()]
    return Table(
        title="Packing into tars",
        about=(
            f"{N_SAMPLES:,} made-up CLIP4MC samples of {n_bytes / N_SAMPLES / 1e6:.1f} MB (three files) in shards of "
            f"{SHARD_SIZE}, one process, median of {ROUNDS} rounds in turn: the jobs of `clip4mc_pack`, which compare "
            "each byte with the ledger, digest each tar and flush it to the disk; the same jobs once more; and `tar "
            "cf` of the same files into one, flushed."
        ),
        columns=["what", "wall s", "CPU s", "files/s", "MB/s"],
        rows=rows,
    )


def _asked(folder: Path, n_samples: int) -> list[ShardToPack]:
    path = write(folder / "data", n_samples)
    raw = yaml.safe_load(path.read_text())
    raw["clip4mc"]["shard_size"] = SHARD_SIZE
    path.write_text(yaml.safe_dump(raw))
    subprocess.run([sys.executable, "-m", "tests.bench.made_up", str(path), "--whole"], cwd=ROOT, check=True)
    config = load_config(raw, lambda _: str(path))
    mode = PlanMode(plans=True, scratch=None, cores=1)
    stages = {"clip4mc": lambda name: (frames_stage(config, name),)}
    packing = Packing(config, Plans(lambda: mode), lambda: mode, stages)
    requests = [packing.request("clip4mc", NAME, shard) for shard in packing.shards("clip4mc", NAME)]
    return [ShardToPack(**read_request(request)) for request in requests]


def _pack(tasks: list[ShardToPack]) -> None:
    for task in tasks:
        pack_shard(task)


def _tar(names: list[str], folder: Path, tar: Path) -> None:
    listed = "\0".join(names).encode()
    command = ["tar", "cf", str(tar), "--null", "--no-recursion", "-T", "-"]
    subprocess.run(command, cwd=folder, input=listed, check=True)
    subprocess.run(["sync", str(tar)], check=True)


def _row(name: str, taken: Taken, n_files: int, n_bytes: int) -> list[Cell]:
    if name == "nothing to do":
        rates: list[Cell] = [None, None]
    else:
        rates = [round(n_files / taken.wall_s), round(n_bytes / taken.wall_s / 1e6)]
    return [name, round(taken.wall_s, 2), round(taken.cpu_s, 2), *rates]
