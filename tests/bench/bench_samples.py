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
from tests.bench.bench_decode import peers_python
from tests.bench.corpus import SETS, clips
from tests.bench.table import Cell, Table

CAPTION = "the player walks across the grass toward the trees and chops one of them for its wood"
ROUNDS = 3
KINDS = ("H.264 360p, GOP 250, no cuts", "H.264 360p, GOP 250, cuts")
FIELD = str(Path(__file__).with_name("field_script.py"))
OPEN_CLIP = "open-clip-torch==3.3.0"
WAYS = ("field", "no tokens", "own", "job")
COPIES = 4  # of each clip, so that a shard is longer than its start


def run() -> Table:
    """Take turns, so that a slow machine slows all alike; the median counts."""
    rows: list[list[Cell]] = []
    field_python = _field_python()
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            paths = _copies(clips(SETS[kind]), Path(folder), COPIES)
            own = [sys.executable, "-m", "tests.bench.own_script"]
            ways: dict[str, Callable[[], None]] = {
                "no tokens": partial(_one_process_each, [sys.executable, FIELD], [], paths, Path(folder)),
                "own": partial(_one_process_each, own, [], paths, Path(folder)),
                "job": partial(_shard_job, paths, Path(folder), workers=1),
            }
            if field_python:
                field = [str(field_python), FIELD]
                ways["field"] = partial(_one_process_each, field, [_open_clip(field_python)], paths, Path(folder))
            cpu: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, work in ways.items():
                    cpu[way].append(_measure(work)[0] / len(paths))
            median = {way: statistics.median(seconds) for way, seconds in cpu.items()}
            row: list[Cell] = [kind, len(paths)]
            row += [round(median[way], 3) if way in median else None for way in WAYS]
            row += [median[way] / median["job"] if way in median else None for way in WAYS[:-1]]
            rows.append(row)
    rows += _scaling()
    return Table(
        title="A whole sample",
        about=(
            "CPU seconds a clip (user and system, children and process starts included) for frames, tokens, sizes and "
            f"files; median of {ROUNDS} rounds in turn. Field: a seeking OpenCV script with open_clip's tokenizer, one "
            "process a clip. No tokens: the same without any tokenizer. Own: our sample function so run. Job: a shard "
            "job with its worker pool. The last rows are clips a wall second of the job with more workers."
        ),
        columns=["clips", "n", *WAYS, *(f"{way} / job" for way in WAYS[:-1])],
        rows=rows,
        notes=[] if field_python else ["open_clip's tokenizer could not be installed here."],
        versions={"open-clip-torch": OPEN_CLIP.partition("==")[2], "torch": "2.13.0"} if field_python else {},
    )


def _field_python() -> Path | None:
    """The Python of the peers' environment, with what a field script imports; None where it cannot be had."""
    python = peers_python()
    if python is None:
        return None
    install = [python, "-m", "pip", "install", "-q"]
    for packages in (["opencv-python-headless==5.0.0.93", "ftfy", "regex"], ["--no-deps", OPEN_CLIP]):
        if subprocess.run([*install, *packages], check=False).returncode:
            return None
    return python


def _open_clip(python: Path) -> str:
    """The file of open_clip's tokenizer module."""
    return str(next(python.parents[1].glob("lib/python*/site-packages/open_clip/tokenizer.py")))


def _copies(originals: list[Path], folder: Path, copies: int) -> list[Path]:
    clips_dir = folder / "clips"
    clips_dir.mkdir()
    return [Path(shutil.copy(path, clips_dir / f"{copy}-{path.name}")) for copy in range(copies) for path in originals]


def _one_process_each(command: list[str], more: list[str], paths: list[Path], folder: Path) -> None:
    for path in paths:
        out = folder / "single" / path.stem
        subprocess.run([*command, str(path), CAPTION, str(out), *more], check=True)
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
        paths = _copies(clips(SETS[KINDS[0]]), Path(folder), 4 * COPIES)
        for workers in range(1, len(os.sched_getaffinity(0)) + 1):
            job = partial(_shard_job, paths, Path(folder), workers=workers)
            wall = statistics.median(_measure(job)[1] for _ in range(ROUNDS))
            rate = f"{len(paths) / wall:.2f} clips/s"
            rows.append([f"job, {workers} worker(s)", len(paths), None, None, None, rate, None, None, None])
    return rows


def _measure(work: Callable[[], None]) -> tuple[float, float]:
    """CPU and wall seconds of this process and the children that it waited for."""

    def spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    cpu, wall = spent(), time.monotonic()
    work()
    return spent() - cpu, time.monotonic() - wall
