"""Work of the Chinese CLIP system on the CPU beside a plain way to do the same."""

import json
import os
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from tests.bench.cnclip import cpu_work
from tests.bench.measured import run_measured
from tests.bench.table import Cell, Table

ROOT = Path(__file__).resolve().parents[3]
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def run() -> Table:
    """Do each work in a process of its own."""
    os.environ.update(THREADS)  # the processes inherit them
    load = os.getloadavg()[0]
    return table({work: measure(work) for work in cpu_work.WORKS}, load)


def table(found: dict[str, dict[str, float]], load: float) -> Table:
    """What was measured, by work and way, on a machine whose load was this at the beginning."""
    return Table(
        title="Chinese CLIP on the CPU",
        about=(
            f"CPU time on one thread, median of {cpu_work.ROUNDS} rounds in turn. Checking: JPEG pictures of 500 x 375 "
            "in a TSV, decoded whole, with their sha1 and size, as each worker process of the check does; the plain "
            "loop opens them with Pillow and does nothing else. LMDB: the same pictures with "
            f"{cpu_work.TEXTS_OF_A_PICTURE} texts each; the plan of upstream's script is one pass over the TSV and one "
            "over the texts, with a commit every 1,000 pictures and every 5,000 pairs. Encoding: decoded pictures, "
            f"ViT-B/32 with random weights, {cpu_work.N_ENCODED} at once, the arithmetic alone. Ranking: the "
            f"{cpu_work.K} nearest of {cpu_work.N_GALLERY:,} vectors of {cpu_work.WIDTH}, exact, "
            f"{cpu_work.N_QUERIES} queries at once; the plain way sorts all scores."
        ),
        columns=["work", "CPU ms", "baseline", "its CPU ms", "baseline / this", "a second and core"],
        rows=[row for work, each in found.items() for row in rows_of(work, each)],
        notes=[f"Other work ran beside it: the machine's load was {load:.1f} at its beginning."] if load > 1 else [],
        versions={name: metadata.version(name) for name in ("lmdb", "onnx", "pillow", "transformers")},
    )


def measure(work: str) -> dict[str, float]:
    """CPU seconds of one picture or query by way, the baseline first."""
    with tempfile.TemporaryDirectory() as folder:
        ran = run_measured([sys.executable, "-m", "tests.bench.cnclip.cpu_work", work, folder], ROOT)
    found: dict[str, float] = json.loads(next(line for line in ran.text.splitlines() if line.startswith("{")))
    return found


NAMES = {
    ("check", "ours"): ("check of a picture", "plain loop of Pillow"),
    ("store", "ours"): ("a picture and its texts into LMDB", "plan of upstream's script"),
    ("encode", "ONNX fp32"): ("encoding of a picture, ONNX fp32", "torch"),
    ("encode", "ONNX int8"): ("encoding of a picture, ONNX int8", "torch"),
    ("rank", "ours"): (f"the nearest of {cpu_work.N_GALLERY:,}", "sort of all scores"),
}


def rows_of(work: str, found: dict[str, float]) -> list[list[Cell]]:
    """A row for each way but the baseline, which is the first."""
    baseline, *others = found
    rows: list[list[Cell]] = []
    for way in others:
        name, beside = NAMES[work, way]
        ratio = round(found[baseline] / found[way], 2)
        rows.append([name, 1e3 * found[way], beside, 1e3 * found[baseline], ratio, round(1 / found[way])])
    return rows
