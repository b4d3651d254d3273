"""Text vectors, poses and pictures a second on the CPU, by the jobs that a run has."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.shared.config import read_config
from tests.bench.pose.full_size import write_clip
from tests.bench.pose.pose_job import FUNCTIONS, run_stages, write_config
from tests.bench.pose.toy import toy_file
from tests.bench.table import Cell, Table
from tests.pose_models import random_xl_model

N_CAPTIONS = {"toy": (64, 1_088), "full size": (64, 320)}  # the difference is a job without its start
STAGES = {"toy": ("text", "generate", "render"), "full size": ("text", "generate")}  # pictures know no model
STEPS = {"toy": 32, "full size": 1}  # of the solver, two evaluations each
_MADE = {"text": "text vectors", "generate": "poses", "render": "pictures"}


def run() -> Table:
    """Run each job on few captions and on many."""
    workers = sorted({1, len(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        random_xl_model(root / "full.safetensors")
        models: dict[str, dict[str, Any]] = {
            "toy": {"checkpoints": str(toy_file())},
            "full size": {"checkpoints": str(root / "full.safetensors"), "clip": str(write_clip(root / "clip"))},
        }
        rows = [row for name, options in models.items() for row in _rows(name, options, root, workers)]
    return Table(
        title="Jobs of poses",
        about=(
            "Samples a wall second of shard jobs on the CPU, from a list of captions to files: many captions less the "
            f"same with few ({N_CAPTIONS['toy'][1]:,} and {N_CAPTIONS['toy'][0]}; of full size "
            f"{N_CAPTIONS['full size'][1]} and {N_CAPTIONS['full size'][0]}), which leaves the start out. Poses of 16 "
            "frames at cfg 4.5. Toy: the demo's model and its text encoder, 64 evaluations. Full size: MARDM-SiT-XL "
            "and CLIP ViT-B/32 with random weights, 2 evaluations, so that hours become a minute: 64 take nearly 32 "
            "times as long."
        ),
        columns=["job", *(f"with {n} worker{'s' * (n > 1)}, 1/s" for n in workers), "its start, s"],
        rows=rows,
    )


def _rows(name: str, options: dict[str, Any], root: Path, workers: Sequence[int]) -> list[list[Cell]]:
    few, many = N_CAPTIONS[name]
    taken = {
        (n_workers, n): _seconds(root / f"{name}-{n_workers}-{n}", n, n_workers, solver_steps=STEPS[name], **options)
        for n_workers in workers
        for n in (few, many)
    }
    rows: list[list[Cell]] = []
    for stage in STAGES[name]:
        each = [(taken[of, many][stage] - taken[of, few][stage]) / (many - few) for of in workers]
        start = taken[workers[0], many][stage] - many * each[0]
        rows.append([f"{name}, {_MADE[stage]}", *(round(1 / seconds, 1) for seconds in each), round(start, 1)])
    return rows


def _seconds(folder: Path, n: int, workers: int, **options: Any) -> dict[str, float]:
    config = write_config(folder, n, workers=workers, **options)
    return run_stages(read_config(config), FUNCTIONS, workers=workers)[0]
