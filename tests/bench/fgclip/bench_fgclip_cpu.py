"""Training and scores of the anomaly detector on the CPU: step, scores, and memory by `frame_chunk`."""

import json
import os
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from tests.bench.fgclip import cpu_work
from tests.bench.measured import run_measured
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[3]
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
CHUNKS = (4, 32)
STEP, SCORING = "step", "scoring"
WORKS = (STEP, SCORING, *(f"memory:{chunk}" for chunk in CHUNKS))
Found = dict[str, dict[str, float]]


def run() -> Table:
    """Do each work in a process of its own."""
    os.environ.update(THREADS)  # the processes inherit them
    load = os.getloadavg()[0]
    return table({work: measure(work) for work in WORKS}, load)


def measure(work: str) -> dict[str, float]:
    """What one work prints."""
    with tempfile.TemporaryDirectory() as folder:
        ran = run_measured([sys.executable, "-m", "tests.bench.fgclip.cpu_work", work, folder], ROOT)
    found: dict[str, float] = json.loads(next(line for line in ran.text.splitlines() if line.startswith("{")))
    return found


def table(found: Found, load: float) -> Table:
    """What was measured, by work, on a machine whose load was this at the beginning."""
    n, frames = cpu_work.STEP.batch_size, cpu_work.STEP.num_frames
    return Table(
        title="Video anomaly detection on the CPU",
        about=(
            f"CPU seconds on one thread, ViT-B/32 of random weights, the demo's footage as one H.264 video of "
            f"{cpu_work.SECONDS} s, {cpu_work.WIDTH} x {cpu_work.HEIGHT}, {cpu_work.FPS} fps. Step: {n} such videos of "
            f"{frames} frames each, in float32, one optimiser step, decoding and arithmetic apart. The guide's order "
            "of work (`tests/bench/fgclip/guide_order.py`) decodes the first 512 frames of a video, once and once more "
            f"for each region (here one in every other video), and encodes {2 * n * frames} frames: those of the "
            "videos and as many of regions, black ones included, two videos at once. Ours decodes the wanted frames of "
            f"the whole video once and encodes {n * frames}; `frame_chunk` {cpu_work.STEP.frame_chunk} computes all "
            "chunks but one again, as the preset `full` does. Scoring: a worker's whole work on the video at stride "
            f"{cpu_work.STRIDE}, decoding and file included."
        ),
        columns=["work", "decoding", "arithmetic", "all", "guide's / this", "times real time"],
        rows=[*step_rows(found[STEP]), scoring_row(found[SCORING])],
        notes=[
            *memory_notes({chunk: found[f"memory:{chunk}"] for chunk in CHUNKS}),
            *([f"Other work ran beside it: the machine's load was {load:.1f} at its beginning."] if load > 1 else []),
        ],
        versions={name: metadata.version(name) for name in ("pillow", "transformers")},
    )


def step_rows(found: dict[str, float]) -> list[list[Cell]]:
    """A row for each way to take a step; what is decoded for ours serves both chunks."""
    ways = {
        "step, guide's order of work": ("guide, decoding", "guide, arithmetic"),
        f"step, ours, frame_chunk {cpu_work.STEP.frame_chunk}": ("ours, decoding", "ours, arithmetic"),
        "step, ours, all frames in one chunk": ("ours, decoding", "ours in one chunk, arithmetic"),
    }
    rows: list[list[Cell]] = []
    baseline = found["guide, decoding"] + found["guide, arithmetic"]
    for name, (decoding, arithmetic) in ways.items():
        whole = found[decoding] + found[arithmetic]
        rows.append([name, found[decoding], found[arithmetic], whole, round(baseline / whole, 2), None])
    return rows


def scoring_row(found: dict[str, float]) -> list[Cell]:
    """The row of the scores."""
    whole, decoding = found["whole"], found["decoding"]
    return ["scoring a video of a minute", decoding, whole - decoding, whole, None, cpu_work.SECONDS / whole]


def memory_notes(found: dict[int, dict[str, float]]) -> list[str]:
    """What a step takes of memory by `frame_chunk`, and what follows for the preset `full`."""
    few, many = CHUNKS
    frame = (found[many]["step"] - found[few]["step"]) / (many - few)
    n = cpu_work.STEP.batch_size * cpu_work.STEP.num_frames
    told = ", ".join(f"{each['step']:.0f} MiB with frame_chunk {chunk}" for chunk, each in found.items())
    whole, chunk = 4 * 256, cpu_work.FULL.frame_chunk
    return [
        f"Memory of a step of {n} frames above the model: {told}; so {frame:.0f} MiB a frame held, in float32.",
        f"Preset `full`, computed: {whole:,} frames at once would hold {whole * frame / 1024:.0f} GiB of activations; "
        f"frame_chunk {chunk} holds {chunk * frame / 1024:.1f} GiB, beside 2.4 GiB of weights, gradients and AdamW's "
        "state, 0.15 GiB of frames and 0.3 GiB of dense maps with their gradients: below 24 GB, also in float32. On a "
        "GPU not measured.",
    ]
