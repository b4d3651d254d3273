"""docs/scale.md: hours, disk, planning and limits at full scale, computed from the kept results of the benches.

python -m tests.bench.scale
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parents[1] / "docs" / "scale.md"

CLIPS = 300_000
CORES = (32, 64)
GPUS = (1, 2, 4, 8)
RECORDINGS = 1_000_000
SECONDS = 5
PAIRS = 2_000_000
PICKLE_BYTES = 1_500
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

SPEAKER = """## Speaker: {recordings:,} recordings
Recordings of {seconds} s, ResNet34 of full size. Disk for results: {disk:.1f} GB (a pickle each, and one array);
{ledger:.1f} GB of ledgers are read when a run is planned. The search for boundaries in so many takes {search:.0f} s of
one core.
"""

CNCLIP = """## Chinese CLIP: {pairs:,} pairs
A picture each, JPEG of 500 x 375. Checking and encoding go in jobs of their own; the LMDB of a split is one job,
{lmdb:.1f} hours of one core, and as large as the TSV. Features of ViT-B take {features:.0f} GB.
"""
_ENCODING = {  # by name: the row of the bench, and its column
    "ViT-B/32 by torch": ("encoding of a picture, ONNX fp32", "its CPU ms"),
    "ViT-B/32 by ONNX fp32": ("encoding of a picture, ONNX fp32", "CPU ms"),
    "ViT-B/32 by ONNX int8": ("encoding of a picture, ONNX int8", "CPU ms"),
}
_TRAINED = "ours, short texts cut"


PLANNING = """## Planning, status and index
What the commands around the jobs take: measured, and *computed* for larger datasets by the straight line through the
two largest sizes measured. A plan grows with the number of samples and no faster; a test counts that. These are CPU
seconds: where the results lie on a shared disk, add the number of files asked about times what one question takes
there (`time stat FILE` of one that nobody has asked for lately). In a plan Snakemake itself takes 2 ms and 20 kB a job
(2,500 jobs, measured).
"""

LIMITS = """## What comes first, and what to set then
Computed from the files and rows of one sample; shards of the default size.
"""

ADVICE = """In the order in which they are met; the figures that are not in a table here are those of common sites, not
measured:

1. **Files (inodes).** `df -i` and the quota of files run out before bytes. Pack finished samples into tar shards
   (the targets `X_pack`), and let `output_dir` lie on scratch space that may hold many small files.
2. **The metadata server.** A plan asks about every source, and about the folder or the files of every sample: see the
   last column above. Leave `verify` at `cheap` (`full` asks about every file, `digest` reads it), and plan once for a
   long run rather than often. Keep some thousand recordings a folder, not a million: the embeddings lie as they do.
3. **The scheduler.** Jobs are shards. Set `shard_size` so that a job takes minutes to an hour and all jobs together
   stay below the site's `MaxSubmitJobs` (`jobs` in the profile bounds those that wait) and, with job arrays,
   `MaxArraySize` (1,001 unless the site set it). Samples that have a shard keep it: choose before the first run.
4. **The planner's memory.** It holds the source list and the shard of each sample, and reads the ledgers shard by
   shard. Beyond some 5 million samples make several datasets: each is planned by itself when a file of it alone is
   asked for, and CLIP4MC merges their indexes into one (`results/clip4mc/dataset_info.json`).
5. **The index.** One file a dataset, written and read whole; the array of embeddings can be mapped into memory, JSON
   and CSV cannot. Again: several datasets, or the packed shards, which have an index of their own.
6. **The ledgers.** Each plan reads all of them, one large file after another: on a slow disk this is the time of a
   plan.

A shard's job reads the plan and the ledger of its shard and no list: it begins as fast at 1,000,000 samples as at
10,000.
"""

SCALES = (300_000, 3_000_000, 100_000_000)


class Kind(NamedTuple):
    """What one sample of a system leaves on the disk.

    Attributes:
        title: of the system.
        samples: what they are.
        bench: the results of its commands at scale.
        looks: files that a plan asks about for each finished sample: its sources, and its folder or each of its files.
        inodes: files and folders of a sample.
        stages: stages with shards of their own.
        ledger: bytes of its rows, all stages.
        index: the largest file of the index, and its bytes a sample.
    """

    title: str
    samples: str
    bench: str
    looks: int
    inodes: int
    stages: int
    ledger: int
    index: tuple[str, int]


# Bytes as made-up datasets of 10,000 to 100,000 samples have them.
KINDS = (
    Kind("CLIP4MC", "clips", "scale_clips", 2, 4, 1, 680, ("dataset_info.json", 77)),
    Kind("Speaker", "recordings", "scale_recordings", 2, 1, 1, 600, ("embeddings.npy", 1_024)),
    Kind("Pose", "captions", "scale_captions", 4, 4, 3, 2_060, ("index.csv", 374)),
)
_SHOWN = ("-n, nothing made", "-n, all made", "status", "index")
_FINISHED = "-n, all made"


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
    """Hours of CLIP4MC on CPU cores."""
    return hours_on_cores("clip", CLIPS, seconds_a_clip())


def hours_on_cores(sample: str, n: int, seconds_each: dict[str, float]) -> str:
    """Hours on CPU cores for n samples, by kind."""
    head = [f"{sample}s", f"CPU s a {sample}", "core hours", *(f"hours on {cores} cores" for cores in CORES)]
    rows = []
    for kind, seconds in seconds_each.items():
        hours = n * seconds / 3600
        rows.append([kind, _digits(seconds, 2), f"{hours:.0f}", *(_digits(hours / cores, 1) for cores in CORES)])
    return table(head, rows)


def _digits(number: float, decimals: int) -> str:
    """A number with so many decimals; a small one with two digits that count, so that it is not shown as nothing."""
    return f"{number:.{decimals}f}" if number >= 0.1 else f"{number:.2g}"


def hours_on_gpus(sample: str, n: int, rates: dict[str, float | None]) -> str:
    """Hours on graphics cards for n samples, where a second's samples of one were measured."""
    hours = (f"hours on {gpus} GPU{'s' * (gpus > 1)}" for gpus in GPUS)
    head = [f"{sample}s", f"{sample}s a second of one GPU", *hours]
    rows = []
    for kind, rate in rates.items():
        if rate is None:
            rows.append([kind, "not measured", *("not measured" for _ in GPUS)])
        else:
            rows.append([kind, f"{rate:.1f}", *(f"{n / rate / gpus / 3600:.1f}" for gpus in GPUS)])
    return table(head, rows)


def gpu_rates(bench: str, column: int, unmeasured: Sequence[str]) -> dict[str, float | None]:
    """Samples a second of one GPU by the first cell of a bench's rows, None where no GPU was there to measure it."""
    path = RESULTS / f"{bench}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["table"]["rows"] if path.exists() else []
    measured = {row[0]: row[column] for row in rows if isinstance(row[column], int | float)}
    return measured or dict.fromkeys(unmeasured)


def speaker_section() -> str:
    """The speaker system: embedding on cores and cards."""
    embedding, search = results("embedding"), results("boundary_search")
    words = SPEAKER.format(
        recordings=RECORDINGS,
        seconds=SECONDS,
        disk=RECORDINGS * (PICKLE_BYTES + 1024) / 1e9,
        ledger=RECORDINGS * 600 / 1e9,
        search=search[f"{RECORDINGS:,}, changepoint"]["CPU s"],
    )
    seconds = {kind: row["job"] for kind, row in embedding.items() if kind != "machine"}
    rates = gpu_rates("embedding_gpu", 5, ("ResNet34, float32", "ResNet34, tf32", "SimAM_ResNet34_ASP, tf32"))
    on_cores = hours_on_cores("recording", RECORDINGS, seconds)
    return f"{words}\n{on_cores}\n{hours_on_gpus('recording', RECORDINGS, rates)}"


def cnclip_section() -> str:
    """Chinese CLIP: checking and encoding on cores, encoding and an epoch of training on cards."""
    rows = results("cnclip_cpu")
    words = CNCLIP.format(
        pairs=PAIRS,
        lmdb=PAIRS * rows["a picture and its texts into LMDB"]["CPU ms"] / 3.6e6,
        features=PAIRS * 2 * 512 * 4 / 1e9,
    )
    check_s = rows["check of a picture"]["CPU ms"] / 1e3
    seconds = {"check": check_s}
    for name, (row, column) in _ENCODING.items():
        if row in rows:  # decoding takes as long as in the check
            seconds[f"decoding and encoding, {name}"] = check_s + rows[row][column] / 1e3
    encoded = gpu_rates("cnclip_decoding_gpu", 3, ("ViT-B-16_RoBERTa-wwm-ext-base-chinese",))
    rates = {f"decoding and encoding, {name}": rate for name, rate in encoded.items()} | training_rates()
    return f"{words}\n{hours_on_cores('pair', PAIRS, seconds)}\n{hours_on_gpus('pair', PAIRS, rates)}"


def training_rates() -> dict[str, float | None]:
    """Pairs a second of one GPU in training, by batch; as many cards are taken to train as many times faster."""
    path = RESULTS / "cnclip_training_gpu.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["table"]["rows"] if path.exists() else []
    rates = {f"an epoch of ViT-B/16, batches of {row[1]}": row[4] for row in rows if row[0] == _TRAINED}
    return rates or {"an epoch of ViT-B/16": None}


def planning_section() -> str:
    """What the commands around the jobs take: measured, and computed for larger datasets."""
    rows = []
    for kind in KINDS:
        for command in _SHOWN:
            measured = at_sizes(kind.bench, command)
            rows += [_cost_row(kind, n, command, cost) for n, cost in sorted(measured.items())]
            if len(measured) > 1:
                larger = [n for n in SCALES if n > max(measured)]
                rows += [_cost_row(kind, n, command, line_through(measured, n), "*") for n in larger]
    return f"{PLANNING}\n{table(['samples, command', 'CPU s', 'MiB', 'files asked about'], rows)}"


def _cost_row(kind: Kind, n: int, command: str, cost: Sequence[float], mark: str = "") -> list[str]:
    looks = f"{n * kind.looks:,}" if command == _FINISHED else ""
    seconds, mib = (f"{mark}{number:,.1f}{mark}" if number < 100 else f"{mark}{number:,.0f}{mark}" for number in cost)
    return [f"{n:,} {kind.samples}, {command}", seconds, mib, looks]


def at_sizes(bench: str, command: str) -> dict[int, tuple[float, float]]:
    """CPU seconds and MiB of a command by the size of the dataset; nothing where that was not measured."""
    path = RESULTS / f"{bench}.json"
    if not path.exists():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))["table"]
    found = {}
    for row in stored["rows"]:
        size, _, name = row[0].partition(", ")
        cells = dict(zip(stored["columns"], row, strict=True))
        if name == command:
            found[int(size.replace(",", ""))] = (cells["CPU s"], cells["MiB"])
    return found


def line_through(measured: Mapping[int, tuple[float, float]], n: int) -> list[float]:
    """What n samples take by the straight line through the two largest sizes measured."""
    few, many = sorted(measured)[-2:]
    return [
        low + (high - low) * (n - few) / (many - few) for low, high in zip(measured[few], measured[many], strict=True)
    ]


def shard_size(kind: Kind) -> int:
    """Samples that one job makes, where the configuration does not say."""
    schema = (HERE.parents[1] / "config" / "schemas" / f"{kind.title.lower()}.schema.json").read_text(encoding="utf-8")
    return int(re.findall(r'"shard_size": \{[^}]*"default": (\d+)', schema)[0])


def limits_section() -> str:
    """What a dataset leaves on the disk and asks of the scheduler, and what to set."""
    head = ["dataset", "files and folders", "shard jobs", "ledgers, GB", "largest index file, GB"]
    rows = []
    for kind in KINDS:
        for n in SCALES:
            name, size = kind.index
            jobs = kind.stages * -(-n // shard_size(kind))
            rows.append(
                [
                    f"{kind.title}, {n:,} {kind.samples}",
                    f"{n * kind.inodes:,}",
                    f"{jobs:,}",
                    _digits(n * kind.ledger / 1e9, 1),
                    f"{_digits(n * size / 1e9, 1)} ({name})",
                ]
            )
    return f"{LIMITS}\n{table(head, rows)}\n{ADVICE}"


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
    clips = hours_on_gpus("clip", CLIPS, gpu_rates("nvdec", 1, ("360p", "720p", "1080p")))
    of_systems = f"{introduction}\n{cpu_table()}\n{clips}\n{speaker_section()}\n{cnclip_section()}"
    return f"{of_systems}\n{planning_section()}\n{limits_section()}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
