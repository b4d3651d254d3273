"""CPU seconds for the embedding of a recording: our job, a process for each, a plain loop, and the model alone."""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

from scripts.speaker.export import export_onnx
from tests.bench.speaker.embedding_job import ROOT, SECONDS, run_jobs, write_model, write_recordings
from tests.bench.table import Cell, Table

MODEL = "ResNet34"
ROUNDS = 3
FORMATS = (".wav", ".flac")
N_ALONE = {"onnx": 5, "torch": 2}  # recordings that get a process each
N_LOOP = 20
N_JOB = (6, 66)  # the difference is a job without its start
ONE_FILE = str(Path(__file__).with_name("one_file.py"))
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
COLUMNS = (
    "recordings",
    "ONNX Runtime, a process each",
    "torch, a process each",
    "plain loop",
    "model alone",
    "job",
    "its start",
    "ONNX Runtime / job",
    "torch / job",
    "model alone / job",
    "job, files/s a core",
    "job, real-time factor",
)


def run() -> Table:
    """Take turns, so that a slow machine slows all alike; the median counts."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model_dir = write_model(root / "native", MODEL)
        exported = root / "exported" / "model.onnx"
        export_onnx(model_dir, exported)
        rows = [_row(suffix, root, model_dir, exported) for suffix in FORMATS]
        wall = [_wall(root / FORMATS[0], exported.parent, root, workers) for workers in _worker_counts()]
    return Table(
        title="The embedding of a recording",
        about=(
            f"CPU seconds (user and system) a recording of {SECONDS:g} s speech, 16 kHz mono; {MODEL} of full size, "
            f"random weights, one thread; median of {ROUNDS} rounds in turn. A process each: a script with soundfile, "
            "Kaldi's filter banks and the model, imports and loading included. Plain loop: our reading, the model and "
            "a file a recording in one process. Model alone: on features that are ready. Job: a shard job with one "
            f"worker, on {N_JOB[1]} recordings less the same on {N_JOB[0]}; its start is what the difference leaves "
            "out, once a shard."
        ),
        columns=COLUMNS,
        rows=rows,
        notes=["Wall clock, jobs of wav with more workers: " + ", ".join(wall) + "."],
        versions={name: metadata.version(name) for name in ("onnxruntime", "torch", "soundfile", "soxr")},
    )


def _row(suffix: str, root: Path, model_dir: Path, exported: Path) -> list[Cell]:
    base = root / suffix
    few, many = (write_recordings(base / str(n), n, suffix=suffix) for n in N_JOB)
    paths = sorted(many.iterdir())
    found: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(seconds)

    for _ in range(ROUNDS):
        for way, model in (("onnx", exported), ("torch", model_dir)):
            n = N_ALONE[way]
            note(way, _cpu_s(partial(_a_process_each, way, model, paths[:n], root)) / n)
        for way in ("loop", "model"):
            note(way, _in_one_process(way, exported, many))
        shorter, longer = (_cpu_s(partial(run_jobs, [n], exported.parent, root, workers=1)) for n in (few, many))
        further = (longer - shorter) / (N_JOB[1] - N_JOB[0])
        note("job", further)
        note("start", longer - N_JOB[1] * further)
    ways = ("onnx", "torch", "loop", "model", "job", "start")
    median = {way: statistics.median(found[way]) for way in ways}
    job = median["job"]
    return [
        f"{suffix[1:]}, {SECONDS:g} s",
        *(median[way] for way in ways),
        *(median[way] / job for way in ("onnx", "torch", "model")),
        1 / job,
        job / SECONDS,
    ]


def _a_process_each(way: str, model: Path, paths: list[Path], root: Path) -> None:
    for path in paths:
        command = [sys.executable, ONE_FILE, way, str(model), str(path), str(root / "one.pkl")]
        subprocess.run(command, check=True, env=ONE_THREAD)


def _in_one_process(way: str, exported: Path, folder: Path) -> float:
    """Median CPU seconds of a recording, start left out."""
    few = folder.parent / f"{N_LOOP}"
    if not few.exists():
        few.mkdir()
        for path in sorted(folder.iterdir())[:N_LOOP]:
            shutil.copy(path, few)
    command = [sys.executable, "-m", "tests.bench.speaker.plain_loop", way, str(exported), str(few)]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, env=ONE_THREAD)
    return statistics.median(json.loads(ran.stdout))


def _worker_counts() -> range:
    return range(1, min(len(os.sched_getaffinity(0)), 8) + 1)


def _wall(base: Path, model: Path, root: Path, workers: int) -> str:
    few, many = (base / str(n) for n in N_JOB)

    def seconds(folder: Path) -> float:
        return statistics.median(run_jobs([folder], model, root, workers=workers) for _ in range(ROUNDS))

    rate = (N_JOB[1] - N_JOB[0]) / (seconds(many) - seconds(few))
    return f"{rate:.1f} files/s with {workers}"


def _cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process and the children that it waited for."""

    def spent() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    before = spent()
    work()
    return spent() - before
