"""Verification of 3,000 samples of 2 MB, against reading the same files."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import yaml

from scripts.shared.config import load_config
from scripts.shared.planning.plans import PlanMode
from scripts.upkeep.asking import Upkeep
from scripts.upkeep.request_file import read_request
from scripts.upkeep.verify import DatasetToVerify, verify_dataset
from tests.bench.made_up import write
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[2]
N_SAMPLES = 3_000
SHARD_SIZE = 250
ROUNDS = 3


class Taken(NamedTuple):
    """What a round took, processes that it started included."""

    wall_s: float
    cpu_s: float


def run() -> Table:
    """Make the samples once; verify and read them in turn."""
    with tempfile.TemporaryDirectory() as folder:
        task = _made(Path(folder))
        files = sorted(path for path in Path(task.dataset_dir).glob("sample_*/*") if path.is_file())
        n_bytes = sum(path.stat().st_size for path in files)
        whole = replace(task, read_all=True)
        rows: list[list[Cell]] = []
        for state, before in (("in memory", None), ("on disk", files)):
            ways = {
                "default level": partial(_verify, task, before),
                "verify: digest": partial(_verify, whole, before),
                "verify: digest, 2 processes": partial(_verify, whole, before, workers=2),
                "cat": partial(_read, files, before),
            }
            taken: dict[str, list[Taken]] = {name: [] for name in ways}
            for _ in range(ROUNDS):
                for name, way in ways.items():
                    taken[name].append(way())
            rows += [_row(name, state, sorted(times)[ROUNDS // 2], n_bytes) for name, times in taken.items()]
    return Table(
        title="Verification",
        about=(
            f"{N_SAMPLES:,} made-up CLIP4MC samples of {n_bytes / N_SAMPLES / 1e6:.1f} MB (three files), one worker "
            f"process unless said otherwise, median of {ROUNDS} rounds in turn: `clip4mc_verify` at its default level "
            "(sizes, small files, the beginning of large ones), with `verify: digest` (every byte), and `cat` of the "
            "same files. On disk: their content was taken out of the memory before (names and sizes were not)."
        ),
        columns=["what, files", "wall s", "CPU s", "samples/s", "MB/s"],
        rows=rows,
    )


def _made(folder: Path) -> DatasetToVerify:
    path = write(folder / "data", N_SAMPLES)
    raw = yaml.safe_load(path.read_text())
    raw["clip4mc"]["shard_size"] = SHARD_SIZE
    path.write_text(yaml.safe_dump(raw))
    subprocess.run([sys.executable, "-m", "tests.bench.made_up", str(path), "--whole"], cwd=ROOT, check=True)
    config = load_config(raw, lambda _: str(path))
    upkeep = Upkeep(config, lambda: PlanMode(plans=True, scratch=None, cores=1))
    return DatasetToVerify.from_request(read_request(upkeep.verify_request("clip4mc", "big")))


def _verify(task: DatasetToVerify, forget: Iterable[Path] | None, workers: int = 1) -> Taken:
    _forget(forget)
    report = Path(task.dataset_dir, "verification.json")
    taken = taken_by(lambda: verify_dataset(task, report=report, figure=None, workers=workers))
    if '"problems": {}' not in report.read_text():
        raise RuntimeError(report.read_text())
    return taken


def _read(files: Iterable[Path], forget: Iterable[Path] | None) -> Taken:
    _forget(forget)
    names = b"\0".join(os.fsencode(path) for path in files)
    return taken_by(lambda: subprocess.run(["xargs", "-0", "cat"], input=names, stdout=subprocess.DEVNULL, check=True))


def taken_by(work: Callable[[], object]) -> Taken:
    """What it takes."""
    before, started = os.times(), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - started, os.times()
    return Taken(seconds, sum(after[:4]) - sum(before[:4]))


def _forget(files: Iterable[Path] | None) -> None:
    for path in files or ():
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _row(name: str, state: str, taken: Taken, n_bytes: int) -> list[Cell]:
    rate = None if name == "default level" else round(n_bytes / taken.wall_s / 1e6)
    return [f"{name}, {state}", round(taken.wall_s, 2), round(taken.cpu_s, 2), round(N_SAMPLES / taken.wall_s), rate]
