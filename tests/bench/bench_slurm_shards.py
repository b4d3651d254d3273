"""How long a shard of the default size lasts, and what part of that its SLURM job takes beyond it; computed."""

from typing import NamedTuple

from scripts.shared.config import read_schema
from tests.bench.scale import RESULTS, results, seconds_a_clip
from tests.bench.table import Cell, NotMeasured, Table

EVALUATIONS = 64  # of the denoiser, for a pose of the default settings
VIDEO_MINUTES = 4  # a video of UCF-Crime, in the mean


class Stage(NamedTuple):
    """Jobs of one kind on a shard.

    Attributes:
        system: whose `shard_size` and `workers` they have.
        what: what they do.
        cpu_s: seconds of one core for a sample.
    """

    system: str
    what: str
    cpu_s: float


def run() -> Table:
    """Compute it from the kept results of other benches."""
    table = Table(
        title="Shards of the default size",
        about=(
            "Computed, not measured: CPU seconds a sample of the tables in this page, times the default `shard_size`, "
            "on the default `workers` with a core each; and the overhead of the shard job through SLURM, as measured "
            "at 300,000 clips, as part of that and itself. Poses: of full size, 64 evaluations; all stages: the three "
            f"jobs that a caption goes through. Videos of {VIDEO_MINUTES} minutes. On a GPU it is less."
        ),
        columns=["system, job", "samples a shard", "CPU s a sample", "minutes a shard", "overhead %"],
        rows=[],
    )
    if not (RESULTS / "slurm_overhead.json").exists():
        raise NotMeasured(table, "the overhead is not measured: python -m tests.bench.run slurm_overhead")
    left = [row for name, row in results("slurm_overhead").items() if name.endswith("overhead")]
    rows = [_row([stage], left[-1]["wall s"]) for stage in stages()]
    poses = [stage for stage in stages() if stage.system == "pose"]
    return Table(table.title, table.about, table.columns, [*rows, _row(poses, left[-1]["wall s"])])


def stages() -> list[Stage]:
    """The jobs whose rates were measured."""
    pose, generation = results("pose_jobs"), results("generation")
    rate = "with 1 worker, 1/s"
    return [
        *(Stage("clip4mc", kind, seconds) for kind, seconds in seconds_a_clip().items()),
        *(Stage("speaker", kind, row["job"]) for kind, row in results("embedding").items() if kind != "machine"),
        Stage("pose", "text vectors", 1 / pose["full size, text vectors"][rate]),
        Stage("pose", "poses", generation["ours, 32 at once, the default"][f"s a pose with {EVALUATIONS} evaluations"]),
        Stage("pose", "pictures", 1 / pose["toy, pictures"][rate]),
        Stage("fgclip", "scoring", VIDEO_MINUTES * results("fgclip_cpu")["scoring a video of a minute"]["all"]),
    ]


def _row(jobs: list[Stage], overhead_s: float) -> list[Cell]:
    system = jobs[0].system
    options = read_schema()["properties"][system]["properties"]
    size, workers = options["shard_size"]["default"], options["workers"]["default"]
    cpu_s = sum(job.cpu_s for job in jobs)
    shard_s, overhead_s = size * cpu_s / workers, overhead_s * len(jobs)
    what = jobs[0].what if len(jobs) == 1 else "all stages"
    percent = 100 * overhead_s / (shard_s + overhead_s)
    return [f"{system}, {what}", size, round(cpu_s, 3), round(shard_s / 60, 1), round(percent, 1)]
