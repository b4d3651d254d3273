"""Which captions one worker makes at once. Light: the job that deals them out loads no torch."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from scripts.pose.captions import NA
from scripts.pose.sampling.rows import ROWS
from scripts.shared.sample_task import SampleTask

_GPU_BATCHES = 8  # micro-batches that a GPU gets at once: while one is computed, files of those before are written
_UNKNOWN_BATCHES = 16  # where lengths are yet to be drawn: fewer captions would seldom have one length


def group(means: Mapping[str, Any], tasks: Sequence[SampleTask]) -> list[list[SampleTask]]:
    """Put captions together that one worker is to make at once; how changes no bytes.

    On the CPU a group fills one micro-batch, so that all workers are busy. On a GPU it fills as many as `batch_size`
    needs, 8 where that is left to us: the card holds one at a time, so its memory does not limit them.

    Args:
        means: of the job: `device`, "cpu" or "cuda", and `batch_size` in captions, 0 for auto.
        tasks: of one shard.
    """
    rows = ROWS[means["device"]]
    n_batches = 1
    if means["device"] == "cuda":
        n_batches = -(-means["batch_size"] // rows) or _GPU_BATCHES
    by_length: dict[int, list[SampleTask]] = defaultdict(list)
    for task in tasks:
        by_length[frames_asked(task)].append(task)
    groups = []
    for n_frames, alike in by_length.items():
        n_poses = rows * (n_batches if n_frames != NA else max(n_batches, _UNKNOWN_BATCHES))
        size = max(1, n_poses // len(poses_asked(alike[0])))
        groups += [alike[first : first + size] for first in range(0, len(alike), size)]
    return groups


def frames_asked(task: SampleTask) -> int:
    """Frames of a caption's motion; `NA` where the model is to choose."""
    frames: int = task.entry.get("n_frames", task.settings["sequence_length"])
    return frames


def poses_asked(task: SampleTask) -> list[str]:
    """Names of the poses that a caption is to have, one a repeat."""
    files = map(PurePosixPath, task.entry["files"])
    return [file.stem for file in files if file.parts[0] == "poses" and file.suffix == ".npy"]
