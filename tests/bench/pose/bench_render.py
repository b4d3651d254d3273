"""Milliseconds a picture of a pose on one core: the renderer, and a new matplotlib figure each."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.pose.figures.contact_sheet import MOST, contact_sheet_png
from scripts.pose.figures.renderer import pose_png
from scripts.pose.figures.views import motion_webp, turntable_webp, views_png
from scripts.pose.skeleton import SKELETONS
from tests.bench.pose.new_figure import draw
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[3]
MOTIONS = ROOT / "tests" / "data" / "demo" / "pose" / "real_motion.npz"
SKELETON = SKELETONS["t2m"]
ROUNDS, N_POSES, N_FIGURES = 5, 60, 4
CAPTION = "A person walks forward and waves with both hands"
# A process that draws one picture: Python, imports and the empty axes are in it.
_ALONE = """
from pathlib import Path
import sys, numpy as np
from scripts.pose.figures.renderer import pose_png
from scripts.pose.skeleton import SKELETONS
Path(sys.argv[2]).write_bytes(pose_png(np.load(sys.argv[1])["walk_joints"][12], SKELETONS["t2m"], "A person walks"))
"""


def run() -> Table:
    """Draw real poses in both ways, taking turns."""
    with np.load(MOTIONS) as stored:
        clips = [stored[name] for name in stored.files if name.endswith("_joints")]
        walk = stored["walk_joints"]
    poses = np.concatenate(clips)
    poses = poses[np.linspace(0, len(poses) - 1, N_POSES).astype(int)]
    with tempfile.TemporaryDirectory() as folder, one_core():
        to = Path(folder, "pose.png")

        def ours() -> None:
            for pose in poses:
                to.write_bytes(pose_png(pose, SKELETON, CAPTION))

        def new_figures(tight: bool) -> None:
            for pose in poses[:: N_POSES // N_FIGURES]:
                draw(pose, SKELETON.chains, CAPTION, to, tight=tight)

        ways: dict[str, tuple[Callable[[], None], int]] = {
            "ours": (ours, N_POSES),
            "new figure": (partial(new_figures, False), N_FIGURES),
            "tight": (partial(new_figures, True), N_FIGURES),
        }
        for work, _ in ways.values():
            work()  # the first of a process: fonts, the empty axes
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (work, n_pictures) in ways.items():
                taken[way].append(cpu_ms(work) / n_pictures)
        alone = [cpu_ms(partial(_alone, to)) for _ in range(ROUNDS)]
        others: dict[str, Callable[[], object]] = {
            "four views of a pose": lambda: views_png(walk[12], SKELETON, CAPTION),
            "turntable of a pose, 36 frames": lambda: turntable_webp(walk[12], SKELETON, CAPTION),
            f"preview of a motion, {len(walk)} frames": lambda: motion_webp(walk, SKELETON, CAPTION),
            f"contact sheet of {MOST} poses": partial(_sheet, poses[:MOST]),
        }
        rows = [
            _row("picture, 1200 x 1200", taken["ours"], taken["ours"]),
            _row("a new matplotlib figure each", taken["new figure"], taken["ours"]),
            _row("the same with `bbox_inches='tight'`", taken["tight"], taken["ours"]),
            _row("ours, a process each", alone, taken["ours"]),
        ]
        rows += [_row(name, [cpu_ms(work) for _ in range(ROUNDS)]) for name, work in others.items()]
    return Table(
        title="Pictures of poses",
        about=(
            f"CPU milliseconds a file on one core, median of {ROUNDS} rounds: {N_POSES} frames of real motions, drawn "
            "and written. Compared, in the same process and by turns, with a new matplotlib 3D figure for each "
            "picture, as scripts of the field draw them (`tests/bench/pose/new_figure.py`); today's save it with "
            "`bbox_inches='tight'`. Last, the pictures that are made on request."
        ),
        columns=["what", "ms", "slowest round", "times ours"],
        rows=rows,
        versions={name: metadata.version(name) for name in ("matplotlib", "pillow")},
    )


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, and those it starts, on one core."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds that it takes, those of processes it starts and waits for included."""
    before = time.process_time() + sum(os.times()[2:4])
    work()
    return 1000 * (time.process_time() + sum(os.times()[2:4]) - before)


def _alone(to: Path) -> None:
    subprocess.run([sys.executable, "-c", _ALONE, str(MOTIONS), str(to)], cwd=ROOT, check=True)


def _sheet(poses: NDArray[np.float32]) -> None:
    contact_sheet_png({f"pose_{number}": pose for number, pose in enumerate(poses)}, SKELETON, title="pose demo")


def _row(name: str, taken: list[float], ours: list[float] | None = None) -> list[Cell]:
    median = statistics.median(taken)
    return [name, round(median, 1), round(max(taken), 1), round(median / statistics.median(ours), 1) if ours else None]
