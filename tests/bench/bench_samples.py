"""The whole work of a sample: a shard job against a process for each clip."""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from scripts.clip4mc.stage import frames_stage
from scripts.shared import layout
from scripts.shared.config import load_config
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.shard_job import run_shard
from tests.bench.corpus import SETS, clips
from tests.bench.table import Cell, Table

CAPTION = "the player walks across the grass toward the trees and chops one of them for its wood"
ROUNDS = 3
KINDS = ("H.264 360p, GOP 250, no cuts", "H.264 360p, GOP 250, cuts")
COPIES = 4  # of each clip, so that a shard is longer than its start


def run() -> Table:
    """Take turns, so that a slow machine slows all alike; the median counts."""
    rows: list[list[Cell]] = []
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            paths = _copies(clips(SETS[kind]), Path(folder))
            ways: dict[str, Callable[[], None]] = {
                "field": partial(_one_process_each, "tests.bench.field_script", paths, Path(folder)),
                "own": partial(_one_process_each, "tests.bench.own_script", paths, Path(folder)),
                "job": partial(_shard_job, paths, Path(folder), workers=1),
            }
            cpu: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, work in ways.items():
                    cpu[way].append(_measure(work)[0] / len(paths))
            field, own, job = (statistics.median(cpu[way]) for way in ways)
            rows.append([kind, len(paths), round(field, 3), round(own, 3), round(job, 3), field / job, own / job])
    rows += _scaling()
    return Table(
        title="A whole sample",
        about=(
            "CPU seconds a clip (user and system, children included, process starts included) for frames, tokens, "
            f"sizes and files; median of {ROUNDS} rounds in turn. Field: a seeking OpenCV script, one process a clip. "
            "Own: our sample function so run. Job: a shard job with its worker pool. Below: clips a wall second of "
            "the job with more workers."
        ),
        columns=["clips", "n", "field", "own", "job", "field / job", "own / job"],
        rows=rows,
        notes=["The field's script has our tokenizer here; with its own it also loads torch, 2 to 4 CPU s a process."],
    )


def _copies(originals: list[Path], folder: Path) -> list[Path]:
    clips_dir = folder / "clips"
    clips_dir.mkdir()
    return [Path(shutil.copy(path, clips_dir / f"{copy}-{path.name}")) for copy in range(COPIES) for path in originals]


def _one_process_each(module: str, paths: list[Path], folder: Path) -> None:
    for path in paths:
        out = folder / "single" / path.stem
        subprocess.run([sys.executable, "-m", module, str(path), CAPTION, str(out)], check=True)
    shutil.rmtree(folder / "single")


def _shard_job(paths: list[Path], folder: Path, *, workers: int) -> None:
    pairs = [{"vid": "v", "transcript": CAPTION, "clip_path": path.name} for path in paths]
    (folder / "pairs.json").write_text(json.dumps(pairs))
    raw = {
        "results_dir": str(folder / "results"),
        "work_dir": str(folder / "work"),
        "clip4mc": {"datasets": {"d": {"pairs": str(folder / "pairs.json"), "clips_dir": str(paths[0].parent)}}},
    }
    stage = frames_stage(load_config(raw, lambda _: "bench"), "d")
    for shard, plan in plan_dataset(stage, scratch=None).plans.items():
        receipt = layout.receipt_file(stage.stage_work_dir, shard)
        run_shard(plan, receipt, function="scripts.clip4mc.sample:make_sample", versions={}, workers=workers)
        assert json.loads(receipt.read_text())["ok"] == len(paths)
    shutil.rmtree(folder / "results")
    shutil.rmtree(folder / "work")


def _scaling() -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = _copies(clips(SETS[KINDS[0]]), Path(folder))
        for workers in range(1, len(os.sched_getaffinity(0)) + 1):
            job = partial(_shard_job, paths, Path(folder), workers=workers)
            wall = statistics.median(_measure(job)[1] for _ in range(ROUNDS))
            rate = f"{len(paths) / wall:.2f} clips/s"
            rows.append([f"job, {workers} worker(s)", len(paths), None, None, rate, None, None])
    return rows


def _measure(work: Callable[[], None]) -> tuple[float, float]:
    """CPU and wall seconds of this process and the children that it waited for."""

    def spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    cpu, wall = spent(), time.monotonic()
    work()
    return spent() - cpu, time.monotonic() - wall
