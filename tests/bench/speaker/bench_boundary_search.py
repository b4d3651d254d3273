"""Time and memory of the search for boundaries."""

import json
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np

from scripts.speaker.boundaries.evaluation import score_boundaries
from tests.bench.speaker.made_collections import long_collection
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[3]
SIZES = (10_000, 50_000, 1_000_000)
METHODS = ("changepoint", "cosine", "gmm")
RUPTURES_UP_TO = 50_000
ROUNDS = 3
# Its own process: memory that others used is not counted, and the thread is the only one. Anonymous memory is what the
# process alone has; the pages of the mapped file are the system's to take back.
_WATCH = """
import json, sys, threading, time
import numpy as np
from threadpoolctl import threadpool_limits
peak, done = 0, threading.Event()
def private():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1])
def watch():
    global peak
    while not done.wait(0.01):
        peak = max(peak, private())
path, method, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
rows = np.load(path, mmap_mode="r")
if method == "ruptures":
    import ruptures
    from scripts.speaker.boundaries.noise import estimate_noise, false_alarm_penalty
    def search():
        units = np.array(rows)
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        penalty = false_alarm_penalty(estimate_noise(rows, block=5), len(rows))
        return [0, *ruptures.KernelCPD("linear", min_size=10).fit(units).predict(pen=penalty)]
else:
    from scripts.speaker.boundaries.job import search as search_by
    from scripts.speaker.boundaries.options import BoundaryOptions
    if method == "gmm":
        import scripts.speaker.boundaries.gmm
    def search():
        return search_by(rows, BoundaryOptions(method=method, segment_size=size)).indices
with threadpool_limits(1):
    threading.Thread(target=watch, daemon=True).start()
    started, used = time.perf_counter(), time.process_time()
    found = search()
    wall, cpu = time.perf_counter() - started, time.process_time() - used
done.set()
print(json.dumps({"found": [int(i) for i in found], "wall": wall, "cpu": cpu, "mib": max(peak, private()) / 1024}))
"""


def run() -> Table:
    """Make each collection once, and search it with each method in a process of its own."""
    rows: list[list[Cell]] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows += _rows(size, Path(folder) / "embeddings.npy")
    return Table(
        title="Speaker boundary search",
        about=(
            "Made collections of 1,000 +- 30 % files a speaker, 256 dimensions, read from a memory-mapped file; one "
            f"thread, imports not counted, median of {ROUNDS} rounds (one from 1,000,000 files on). MiB: greatest "
            "memory of the process's own, without the pages of the mapped file. F1 within one file. ruptures' "
            "`KernelCPD('linear')`, in C, has the same penalty and consolidates nothing."
        ),
        columns=["files, method", "wall s", "CPU s", "MiB", "boundaries", "true", "F1"],
        rows=rows,
        versions={name: metadata.version(name) for name in ("scikit-learn", "ruptures")},
    )


def _rows(size: int, path: Path) -> list[list[Cell]]:
    made = long_collection(size)
    np.save(path, made.embeddings)
    truth, segment_size = made.truth, made.segment_size
    del made  # a million rows: let the page cache have the memory
    rows: list[list[Cell]] = []
    for method in (*METHODS, *(["ruptures"] if size <= RUPTURES_UP_TO else [])):
        command = [sys.executable, "-c", _WATCH, str(path), method, str(segment_size)]
        rounds = [
            json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
            for _ in range(ROUNDS if size < 1_000_000 else 1)
        ]
        wall, cpu, mib = (float(np.median([of[what] for of in rounds])) for what in ("wall", "cpu", "mib"))
        found = rounds[0]["found"]
        scores = score_boundaries(found, truth)["tolerances"]["1"]
        name = "ruptures KernelCPD" if method == "ruptures" else method
        rows.append(
            [
                f"{size:,}, {name}",
                round(wall, 2),
                round(cpu, 2),
                round(mib),
                len(found) - 2,
                len(truth) - 2,
                f"{scores['f1']:.3f}",
            ]
        )
    return rows
