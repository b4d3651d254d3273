"""`decoder: auto`: the quicker of the CPU and the GPU, tried once a dataset on some of its clips.

Both give the same bytes, so the choice only costs or saves time. It is kept beside the dataset's plans.
"""

import heapq
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files
from scripts.shared.devices import lease
from scripts.shared.errors import SampleError
from scripts.shared.planning.stage import SourceEntry, Stage
from scripts.shared.sample_task import SampleTask
from scripts.shared.selection import keyed_hash
from scripts.shared.worker_pool import run_tasks

N_CLIPS = 16
_MEASURED_TURNS = 2  # of all clips, after each worker and each clip had its first one
_FUNCTION = "scripts.clip4mc.decoder_choice:try_sample"

Choice = dict[str, Any]


@dataclass(frozen=True)
class Machine:
    """What a run has to decode with.

    Attributes:
        gpus: models of the GPUs that it may use.
        cores: CPU cores of the run.
    """

    gpus: tuple[str, ...]
    cores: int

    def as_json(self) -> dict[str, Any]:
        """As the file of a choice holds it."""
        return {"gpus": list(self.gpus), "cores": self.cores}


def choice_file(work_dir: Path) -> Path:
    """Where a dataset's choice stands."""
    return work_dir / "decoder.json"


def read_choice(work_dir: Path) -> Choice | None:
    """The choice made for a dataset; None where there is none that can be used."""
    try:
        choice = json.loads(choice_file(work_dir).read_text(encoding="utf-8"))
        return choice if choice["choice"] in ("cpu", "nvdec") and choice["machine"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def with_choice(stage: Stage, choice: Choice | None, on_gpu: dict[str, Any]) -> Stage:
    """The stage with a choice: as its jobs' means, and as a note for `summary.json`."""
    if choice is None:
        return stage
    means = stage.means | on_gpu if choice["choice"] == "nvdec" else stage.means
    return replace(stage, means=means, index={**(stage.index or {}), "decoder_choice": choice})


def choose_decoder(
    stage: Stage,
    entries: Iterable[SourceEntry],
    *,
    machine: Callable[[], Machine],
    workers: int,
    on_gpu: dict[str, Any],
) -> Stage:
    """Choose, by a trial where none was made on such a machine; a machine without a GPU needs none.

    Args:
        stage: with the means of an earlier choice, perhaps on another machine.
        entries: all samples wanted.
        machine: of this run.
        workers: worker processes of one job.
        on_gpu: from `gpu_job.gpu_means`.
    """
    stage = replace(stage, means={name: value for name, value in stage.means.items() if name not in on_gpu})
    here = machine()
    if not here.gpus:
        return stage
    choice = read_choice(stage.work_dir)
    if choice is None or choice["machine"] != here.as_json():
        choice = _try_both(stage, entries, here, min(workers, here.cores), on_gpu)
        if choice is not None:
            atomic_files.write_json(choice_file(stage.work_dir), choice)
    return with_choice(stage, choice, on_gpu)


def _try_both(
    stage: Stage, entries: Iterable[SourceEntry], here: Machine, workers: int, on_gpu: dict[str, Any]
) -> Choice | None:
    """Try a stage that decodes on the CPU both ways; None where that cannot be now: then the CPU decodes this time."""
    tasks = _some_tasks(stage, entries)
    if not tasks:
        return None
    _say(f"{stage.label}: decoder auto: trying CPU and GPU on {len(tasks)} clips, once for this dataset")
    try:
        with lease(1, on_gpu["jobs_per_gpu"], chosen=on_gpu["gpus"], wait=lambda: False) as devices:
            if not devices:
                _say("  other jobs have all GPUs: the CPU decodes this time")
                return None
            on_cpu = _measure(tasks, workers, stage.sample_timeout_s)
            gpu_tasks = [replace(task, means=stage.means | on_gpu) for task in tasks]
            by_gpu = _measure(gpu_tasks, workers, stage.sample_timeout_s)
    except ImportError as error:
        _say(f"  the Python package {error.name} is missing here: the CPU decodes this time")
        return None
    choice = judge(on_cpu, by_gpu, here, workers=workers, n_clips=len(tasks))
    _say(f"  {choice['reason']}")
    return choice


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")  # stdout belongs to --dag


def _some_tasks(stage: Stage, entries: Iterable[SourceEntry]) -> list[SampleTask]:
    """Some samples that can be made as far as one can see, always the same ones."""
    hashed = ((keyed_hash(0, f"decoder {entry.key}"), entry) for entry in entries if entry.source)
    first = heapq.nsmallest(8 * N_CLIPS, hashed, key=lambda pair: pair[0])
    tasks = []
    for _, (key, source, text) in first:
        entry, path = json.loads(text), Path(stage.source_dir, source)
        if "error" not in entry and path.is_file():
            tasks.append(SampleTask(key, entry, stage.settings, stage.means, path, Path()))
    return tasks[:N_CLIPS]


def try_sample(task: SampleTask) -> str:
    """Make a sample, write nothing, and say which decoder made it. Runs in a worker process."""
    from scripts.clip4mc.sample import sample_contents  # here: the Snakefile imports this module

    _, facts = sample_contents(task)
    return str(facts["decoder"])


@dataclass(frozen=True)
class Measured:
    """What a trial came to.

    Attributes:
        clips_per_s: of one job, 0 where no clip could be decoded.
        decoders: how many clips each decoder made, as counted while measuring; failed ones under `failed`.
    """

    clips_per_s: float
    decoders: Mapping[str, int]


def _measure(tasks: list[SampleTask], workers: int, timeout_s: float) -> Measured:
    """Clips a second of one job, its start left out."""
    n_first, n_measured = max(len(tasks), workers), _MEASURED_TURNS * len(tasks)
    turns = list(itertools.islice(itertools.cycle(tasks), n_first + n_measured))
    decoders: Counter[str] = Counter()
    started = ended = 0.0
    for number, (_, result) in enumerate(run_tasks(_FUNCTION, turns, workers=workers, timeout_s=timeout_s), 1):
        ended = time.monotonic()
        if number <= n_first:
            started = ended
        else:
            decoders["failed" if isinstance(result, SampleError) else result] += 1
    n_made = n_measured - decoders["failed"]
    return Measured(n_made / max(ended - started, 1e-9), decoders)


def judge(on_cpu: Measured, by_gpu: Measured, here: Machine, *, workers: int, n_clips: int) -> Choice:
    """The choice between two trials of one job each, scaled to the whole run.

    Args:
        on_cpu: the job on the CPU; the run has room for one such job for each `workers` cores.
        by_gpu: the job on one GPU; one such job a GPU, where cores suffice.
        here: the machine.
        workers: worker processes of a job.
        n_clips: how many clips were tried.
    """
    jobs = max(here.cores / workers, 1.0)
    cpu = on_cpu.clips_per_s * jobs
    gpu = by_gpu.clips_per_s * min(len(here.gpus), jobs)
    n_tried, n_on_gpu = sum(by_gpu.decoders.values()), by_gpu.decoders.get("nvdec", 0)
    rates = (
        f"{gpu:.1f} clips/s on {len(here.gpus)} GPU(s), {cpu:.1f} on {here.cores} CPU cores; tried on {n_clips} clips"
    )
    if 2 * n_on_gpu < n_tried:
        choice, reason = "cpu", f"cpu: the GPU decodes only {n_on_gpu} of {n_tried}"
    elif gpu > cpu:
        choice, reason = "nvdec", f"nvdec: {rates}"
    else:
        choice, reason = "cpu", f"cpu: {rates}"
    return {
        "choice": choice,
        "reason": reason,
        "clips_per_s": {"cpu": round(cpu, 2), "nvdec": round(gpu, 2)},
        "clips": n_clips,
        "machine": here.as_json(),
    }
