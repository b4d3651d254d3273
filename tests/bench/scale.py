"""docs/scale.md: hours, disk and cost at full scale, computed from the kept results of the benches.

python -m tests.bench.scale
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parents[1] / "docs" / "scale.md"

CLIPS = 300_000
CORES = (32, 64)
GPUS = (1, 4, 8)
SAMPLE_BYTES = 16 * 160 * 256 * 3 + 2_000
_DECODED = ("H.264 360p, GOP 250, no cuts", "H.264 360p, GOP 250, cuts", "H.264 720p, GOP 250, cuts")

INTRODUCTION = """# Scale
Computed, not measured: rates of [benchmarks.md](benchmarks.md), taken on {cores} cores, times the number of samples, as
if every core and card went on at that rate and disks kept up. `python -m tests.bench.scale` writes this page. Before a
run, `-n` says the same of your own data, at the rate of its earlier jobs.

Cost: the hours below times what an hour costs you; for rented cores, the core hours times the price of a core hour.

## CLIP4MC: {clips:,} clips
Clips of 10 to 30 s, 18.7 s in the mean, at 30 frames a second. Disk for results: {disk:.0f} GB (sixteen frames of
160x256, tokens, sizes); {ledger:.1f} GB of ledgers are read when a run is planned.
"""


def results(name: str) -> dict[str, Any]:
    """A kept table as rows by their first cell."""
    table = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    columns = table["table"]["columns"]
    rows = {row[0]: dict(zip(columns, row, strict=True)) for row in table["table"]["rows"]}
    return rows | {"machine": table["machine"]}


def seconds_a_clip() -> dict[str, float]:
    """CPU seconds of a whole sample by kind of clip: decoding as measured, and what the job adds to it."""
    decoded, whole = results("decode"), results("samples")
    ours = {kind: float(str(decoded[kind]["ours"]).split()[0]) for kind in _DECODED}
    added = [whole[kind]["job"] - ours[kind] for kind in ours if kind in whole]
    return {kind: seconds + sum(added) / len(added) for kind, seconds in ours.items()}


def cpu_table() -> str:
    """Hours on CPU cores."""
    head = ["clips", "CPU s a clip", "core hours", *(f"hours on {cores} cores" for cores in CORES)]
    rows = []
    for kind, seconds in seconds_a_clip().items():
        hours = CLIPS * seconds / 3600
        rows.append([kind, f"{seconds:.2f}", f"{hours:.0f}", *(f"{hours / cores:.1f}" for cores in CORES)])
    return table(head, rows)


def gpu_table() -> str:
    """Hours on graphics cards, where clips a second of one were measured."""
    head = ["clips", "clips a second of one GPU", *(f"hours on {gpus} GPU{'s' * (gpus > 1)}" for gpus in GPUS)]
    rows = []
    for kind, rate in gpu_rates().items():
        if rate is None:
            rows.append([kind, "not measured", *("not measured" for _ in GPUS)])
        else:
            rows.append([kind, f"{rate:.1f}", *(f"{CLIPS / rate / gpus / 3600:.1f}" for gpus in GPUS)])
    return table(head, rows)


def gpu_rates() -> dict[str, float | None]:
    """Clips a second of one GPU by kind of clip, None where no GPU was there to measure it."""
    path = RESULTS / "nvdec.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["table"]["rows"] if path.exists() else []
    measured = {row[0]: row[1] for row in rows if isinstance(row[1], int | float)}
    return measured or dict.fromkeys(("360p", "720p", "1080p"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def page() -> str:
    """The whole page."""
    introduction = INTRODUCTION.format(
        cores=results("samples")["machine"]["cores"],
        clips=CLIPS,
        disk=CLIPS * SAMPLE_BYTES / 1e9,
        ledger=CLIPS * 750 / 1e9,
    )
    return f"{introduction}\n{cpu_table()}\n{gpu_table()}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
