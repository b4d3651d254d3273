"""Peak memory of a worker process that decodes one clip."""

import sys

from tests.bench.bench_decode import worker
from tests.bench.corpus import H264_1080P, SETS, clips
from tests.bench.table import Cell, Table

KINDS = {
    "360p": SETS["H.264 360p, GOP 250, cuts"],
    "720p": SETS["H.264 720p, GOP 250, cuts"],
    "1080p": H264_1080P,
}
TOOLS = {"ours": "ours", "opencv": "OpenCV seeking", "sequential": "PyAV, all in order"}


def run() -> Table:
    """Measure each size in fresh processes."""
    rows: list[list[Cell]] = []
    for name, kind in KINDS.items():
        (path,) = clips(kind, (900,))
        row: list[Cell] = [f"H.264 {name}, 30 s, {path.stat().st_size / 2**20:.1f} MiB"]
        for tool in TOOLS:
            with worker(tool, sys.executable) as process:
                process.ask()
                for _ in range(3):  # a worker lives for many clips
                    answer = process.ask(str(path))
            row.append(None if answer is None else round(float(str(answer["peak_mib"]))))
        rows.append(row)
    return Table(
        title="Memory of a worker",
        about="Peak resident memory in MiB of a process, Python and libraries included, after three reads of a clip.",
        columns=["clip", *TOOLS.values()],
        rows=rows,
    )
