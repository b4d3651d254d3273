"""CPU seconds of a pose at full size: MARDM's order of work, and ours with micro-batches of several sizes."""

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from scripts.pose.sampling.rows import ROWS
from tests.bench.measured import Measured, run_measured
from tests.bench.pose.full_size import MODEL, write_checkpoints
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 3
N_ROWS = (8, 32, 64, 128)
EVALUATIONS = 64  # of the default solver: midpoint in 32 steps


class Taken(NamedTuple):
    """What a batch took: its poses, the tokens sampled for them, CPU seconds of one evaluation in every step and of
    all else, and the most memory of the process in MiB."""

    poses: int
    tokens: int
    evaluation_s: float
    rest_s: float
    peak_mib: float

    def pose_s(self) -> float:
        """CPU seconds of a pose with all evaluations."""
        return (EVALUATIONS * self.evaluation_s + self.rest_s) / self.poses


def run() -> Table:
    """Take turns, each in a process of its own; the median counts."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        checkpoints = str(write_checkpoints(root))
        converted = _python("tests.bench.pose.full_size", "convert", folder)
        upstream = ("upstream", checkpoints)
        ways: dict[str, tuple[str, ...]] = {"MARDM's order, 8 at once": (*upstream, "torch")}
        ways["the same with our linear layers"] = (*upstream, "ours")
        ways |= {_name(rows): ("ours", str(root / MODEL), str(rows)) for rows in N_ROWS}
        taken: dict[str, list[Taken]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, arguments in ways.items():
                taken[name].append(one_evaluation(*arguments))
    baseline, *_ = median = [_median(rounds) for rounds in taken.values()]
    return Table(
        title="Generation of poses on the CPU",
        about=(
            "CPU seconds (user and system, one thread) of poses of 16 frames at cfg 4.5, by a MARDM-SiT of full size "
            f"with random weights; median of {ROUNDS} rounds in turn. A step's denoiser is run once, where a solver "
            "runs it dozens of times (evaluation), and what a step does only once is counted apart (rest). MARDM's "
            "order of work (`tests/bench/pose/upstream_order.py`, which gives its golden latents): every masked token "
            "in each of 18 steps, both halves of the guided batch. Ours: each token in the step that it survives "
            "from, in micro-batches of a fixed size, and linear layers by oneDNN. Memory: most MiB of the process, "
            "loading included; pages of our model's file, which is mapped and which processes share, are counted."
        ),
        columns=[
            "way",
            "tokens a pose",
            "s a pose and evaluation",
            "MARDM's / this",
            "rest, s a pose",
            f"s a pose with {EVALUATIONS} evaluations",
            "s of one caption alone",
            "MiB",
        ],
        rows=[_row(name, of, baseline) for name, of in zip(taken, median, strict=True)],
        notes=[
            f"With {EVALUATIONS} evaluations: computed from the columns before. A caption alone takes its whole "
            "micro-batch, so that it gets the bytes that it has in any company; a batch of 8 in MARDM's order shrinks.",
            f"Converting the checkpoints, 4.9 GB, once: {converted.wall_s:.0f} s, {converted.peak_mib:.0f} MiB.",
        ],
    )


def _name(rows: int) -> str:
    return f"ours, {rows} at once" + ", the default" * (rows == ROWS["cpu"])


def one_evaluation(*arguments: str) -> Taken:
    """Run `one_evaluation` in a process of its own."""
    ran = _python("tests.bench.pose.one_evaluation", *arguments)
    told = json.loads(next(line for line in ran.text.splitlines() if line.startswith("{")))
    return Taken(told["poses"], told["tokens"], told["evaluations_s"], told["rest_s"], ran.peak_mib)


def _python(module: str, *arguments: str) -> Measured:
    return run_measured([sys.executable, "-m", module, *arguments], ROOT)


def _median(rounds: list[Taken]) -> Taken:
    return Taken(*(statistics.median(column) for column in zip(*rounds, strict=True)))


def _row(name: str, taken: Taken, baseline: Taken) -> list[Cell]:
    evaluation_s = taken.evaluation_s / taken.poses
    shrinks = taken.poses == baseline.poses and taken.tokens == baseline.tokens
    return [
        name,
        f"{taken.tokens / taken.poses:g}",
        evaluation_s,
        round(baseline.evaluation_s / baseline.poses / evaluation_s, 1),
        taken.rest_s / taken.poses,
        taken.pose_s(),
        None if shrinks else taken.pose_s() * taken.poses,
        round(taken.peak_mib),
    ]
