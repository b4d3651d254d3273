"""Recordings a second on one GPU: the model alone, and jobs that read, embed and write.

Needs torch with CUDA; the jobs also av, soundfile, soxr, orjson, psutil and jsonschema. Nothing is imported before it
is needed, so that the checks of a GPU run in any CUDA environment.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.table import Cell, NotMeasured, Table
from tests.gpu.speaker_checks import PRECISIONS, cosine_distance, load, speech_features, why_no_gpu

BATCH_SECONDS = (40, 80, 160, 320)
N_FRAMES = 498  # of 5 s
N_DISTINCT = 500  # recordings; the folders of the jobs link to them
N_JOB = (1_000, 9_000)  # the difference is a job without its start
ENOUGH_S = 3.0
JOBS = (1, 2)
SUBJECTS = {"ResNet34": PRECISIONS, "SimAM_ResNet34_ASP": ("tf32", "float16")}
EMPTY = Table(
    title="Embedding on the GPU",
    about="Recordings of 5 s a second, by models of full size with random weights. Alone: the model on batches of "
    "features that are ready in main memory, by batch_seconds. Jobs: shard jobs that share the GPU, each with its part "
    "of the CPU cores as readers, from wav files to pickles at batch_seconds 80; many recordings less the same with "
    "few, which leaves the start out. Distance: largest cosine distance of the embeddings from float32 on the CPU.",
    columns=[
        "model, precision",
        *(f"alone, {seconds} s" for seconds in BATCH_SECONDS),
        *(f"{n} job(s)" for n in JOBS),
        "distance",
    ],
    rows=[],
)


def alone_per_s(encoder: Any, batch_seconds: float) -> float:
    """Recordings a second of the model alone."""
    from scripts.speaker.groups import batch_rows

    rows = batch_rows(N_FRAMES, batch_seconds)
    batch = np.tile(speech_features()[0][:, :N_FRAMES], (rows, 1, 1))
    for _ in range(3):
        encoder.embed(batch)
    started, n = time.monotonic(), 0
    while time.monotonic() - started < ENOUGH_S:
        encoder.embed(batch)
        n += rows
    return n / (time.monotonic() - started)


def largest_distance(model_dir: Path, encoder: Any) -> float:
    """From float32 on the CPU, over real speech."""
    on_cpu = load(model_dir)
    given: list[NDArray[np.float32]] = speech_features()
    return max(float(cosine_distance(encoder.embed(feats), on_cpu.embed(feats)).max()) for feats in given)


def jobs_per_s(recordings: Path, model_dir: Path, root: Path, n_jobs: int, precision: str) -> float:
    """Recordings a second of jobs that share the GPU."""
    from tests.bench.speaker.embedding_job import run_jobs

    workers = max(len(os.sched_getaffinity(0)) // n_jobs, 1)
    options = {"precision": precision, "jobs_per_gpu": n_jobs, "batch_seconds": 80, "runtime": "native"}
    seconds = []
    for n in N_JOB:
        folders = [_linked(recordings, root / f"{n_jobs}-{n}-{number}", n // n_jobs) for number in range(n_jobs)]
        seconds.append(run_jobs(folders, model_dir, root, workers=workers, n_gpus=1, **options))
    return (N_JOB[1] - N_JOB[0]) / (seconds[1] - seconds[0])


def _linked(recordings: Path, folder: Path, n: int) -> Path:
    """A folder of so many names for the recordings."""
    if not folder.exists():
        folder.mkdir()
        originals: Sequence[Path] = sorted(recordings.iterdir())
        for number in range(n):
            original = originals[number % len(originals)]
            os.link(original, folder / f"{number:06d}{original.suffix}")
    return folder


def run() -> Table:
    """Measure on the first GPU.

    Raises:
        NotMeasured: none answers, or torch cannot use it.
    """
    if why := why_no_gpu():
        raise NotMeasured(EMPTY, why)
    import torch

    from tests.bench.speaker.embedding_job import write_model, write_recordings

    rows: list[list[Cell]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        recordings = write_recordings(root / "recordings", N_DISTINCT, suffix=".wav")
        for model, precisions in SUBJECTS.items():
            model_dir = write_model(root / model, model)
            for precision in precisions:
                encoder = load(model_dir, device="cuda", precision=precision)
                alone = [alone_per_s(encoder, seconds) for seconds in BATCH_SECONDS]
                distance = largest_distance(model_dir, encoder)
                del encoder
                torch.cuda.empty_cache()
                jobs = [jobs_per_s(recordings, model_dir, root, n, precision) for n in JOBS]
                rows.append([f"{model}, {precision}", *alone, *jobs, f"{distance:.1e}"])
    name = torch.cuda.get_device_name()
    note = f"On one {name} with {len(os.sched_getaffinity(0))} CPU cores."
    return Table(EMPTY.title, EMPTY.about, EMPTY.columns, rows, [note], {"torch": torch.__version__})
