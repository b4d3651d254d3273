"""Pause, resume and stop the run of a configuration: `make pause`, `make resume`, `make stop`.

python -m scripts.upkeep.run_control pause|resume|stop [--configfile FILE]

A run is found by what it holds: the process that planned a dataset has the dataset's lock, a job that of its shard,
and a training that of its folder. Only processes that work in this folder are signalled, so that the run of another
folder goes on, and that of another configuration in the same one.
"""

import argparse
import signal
import socket
import sys
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from scripts.shared import layout
from scripts.shared.config import SHIPPED_CONFIG, read_config
from scripts.shared.errors import PolymillError
from scripts.shared.locks import Holder, LockFile
from scripts.shared.planning.stage import Stage
from scripts.shared.training.progress_file import read_progress
from scripts.shared.training.run_folder import lock_file, progress_file, stop_file
from scripts.upkeep.dataset_status import StageStatus, StatusReader, stages_of
from scripts.upkeep.run_status import all_runs

_LOOK_EVERY_S = 0.2
_SAY_EVERY_S = 10.0
_NOTHING = "nothing runs in this folder for this configuration"


class Worker(NamedTuple):
    """Who holds a dataset or a shard.

    Attributes:
        words: what it holds, and who it is: `clip4mc train 00003: pid 4711 on node7`.
        process: None where it is on another host.
        here: whether it works in this folder, as far as that can be known, for this user.
    """

    words: str
    process: psutil.Process | None
    here: bool


@dataclass
class Run:
    """What works on the datasets of a configuration.

    Attributes:
        processes: those of this folder on this machine; their children belong to them.
        stages: what they, and jobs on other hosts, work on.
        trainings: the folders of the training runs among it, by their names in words.
        remote: jobs and runs on other hosts, in words.
        foreign: what works on the same datasets from another folder or as another user, in words.
    """

    processes: list[psutil.Process] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    trainings: dict[str, Path] = field(default_factory=dict)
    remote: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def find_run(config: Mapping[str, Any], reader: StatusReader) -> Run:
    """Find what works on the datasets of a configuration now."""
    run = Run()
    found: dict[int, psutil.Process] = {}

    def note(worker: Worker) -> bool:
        if worker.process is None:
            run.remote.append(worker.words)
        elif worker.here:
            found[worker.process.pid] = worker.process
        else:
            run.foreign.append(worker.words)
        return worker.here

    for _, stages in stages_of(config):
        for stage in stages if isinstance(stages, list) else []:
            for worker in _workers(stage, reader.read(stage)):
                if note(worker) and stage not in run.stages:
                    run.stages.append(stage)
    for label, place in all_runs(config):
        for worker in _trainers(label, place) if isinstance(place, Path) else ():
            if note(worker) and isinstance(place, Path):
                run.trainings[label] = place
    # A job that Snakemake started here is its child, and reached through it.
    run.processes = [process for process in found.values() if not _is_below(process, found)]
    return run


def _is_below(process: psutil.Process, others: Container[int]) -> bool:
    try:
        return any(above.pid in others for above in process.parents())
    except psutil.NoSuchProcess:  # it ended meanwhile: what happens to it does not matter
        return False


def _workers(stage: Stage, status: StageStatus) -> Iterator[Worker]:
    run_lock = LockFile(layout.run_lock(stage.dataset_dir))
    holder = run_lock.last_holder()
    # On this machine the process is asked: to ask for the lock could refuse it to a run that starts just now.
    if holder and (_is_here(holder) or run_lock.is_held()):
        yield from _worker(f"the run of {stage.label}", run_lock.path, holder)
    for shard in status.running:
        lock = LockFile(layout.shard_lock(stage.dataset_dir, stage.name, shard))
        if holder := lock.last_holder():
            yield from _worker(f"{stage.label} {shard}", lock.path, holder)


def _trainers(label: str, folder: Path) -> Iterator[Worker]:
    lock = LockFile(lock_file(folder))
    holder = lock.last_holder()
    if holder and (_is_here(holder) or lock.is_held()):
        for worker in _worker(label, lock.path, holder):
            # No dataset's lock leads to the run that started it.
            yield worker._replace(process=worker.process and _snakemake_above(worker.process))


def _snakemake_above(process: psutil.Process) -> psutil.Process:
    """The outermost Snakemake of this folder that a process belongs to; itself where there is none."""
    found = process
    with suppress(psutil.Error):
        for above in process.parents():
            if Path(above.cwd()) == Path.cwd() and any("snakemake" in Path(word).name for word in above.cmdline()[:3]):
                found = above
    return found


def _is_here(holder: Holder) -> bool:
    return holder.host == socket.gethostname()


def _worker(what: str, lock: Path, holder: Holder) -> Iterator[Worker]:
    words = f"{what}: pid {holder.pid}"
    if not _is_here(holder):
        yield Worker(f"{words} on {holder.host}", None, here=True)
        return
    try:
        process = psutil.Process(holder.pid)
        # It may have let go, or another process may have got the number of one that ended.
        if str(lock.resolve()) not in (file.path for file in process.open_files()):
            return
        here = Path(process.cwd()) == Path.cwd()
        yield Worker(words if here else f"{words}, which works in another folder", process, here)
    except psutil.AccessDenied:
        yield Worker(f"{words}, which belongs to another user", process, here=False)
    except psutil.NoSuchProcess:
        return


def signal_all(processes: Sequence[psutil.Process], number: int) -> int:
    """Send a signal to processes and all below them, parents first; returns how many got it."""
    reached: set[int] = set()
    while True:
        new = [process for root in processes for process in _family(root) if process.pid not in reached]
        if not new:
            return len(reached)
        for process in new:
            reached.add(process.pid)
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def pause(run: Run) -> list[str]:
    """Stop every process of a run where it stands; returns what to tell, a line each."""
    if not run.processes:
        return [_NOTHING, *_not_reached(run, "goes on")]
    count = signal_all(run.processes, signal.SIGSTOP)
    return [
        f"paused {count} processes, {_pids(run)}; `make resume` lets them go on; no sample's time limit runs meanwhile",
        *_not_reached(run, "goes on"),
    ]


def resume(run: Run) -> list[str]:
    """Let every process of a run go on; returns what to tell, a line each."""
    if not run.processes:
        return [_NOTHING, *_not_reached(run, "is left alone")]
    count = signal_all(run.processes, signal.SIGCONT)
    return [f"{count} processes go on, {_pids(run)}", *_not_reached(run, "is left alone")]


def _pids(run: Run) -> str:
    return "from pid " + ", ".join(str(process.pid) for process in run.processes) + " on"


def _not_reached(run: Run, what_it_does: str) -> list[str]:
    lines = [f"not reached from here, so it {what_it_does}: {words}" for words in run.remote + run.foreign]
    if run.remote:
        lines.append("  (`scontrol suspend JOBID` and `scontrol resume JOBID` pause a SLURM job; `make stop` ends all)")
    return lines


def stop(run: Run, reader: StatusReader) -> Iterator[str]:
    """End a run after the samples in hand; yields what to tell, a line each, and returns when it has ended.

    Each job looks for the stop file, on whatever host it is; SIGTERM keeps Snakemake from starting more.
    """
    if not run.stages and not run.trainings:
        yield from [_NOTHING, *_not_reached(run, "goes on")]
        return
    for stage in run.stages:
        layout.stop_file(stage.dataset_dir).touch()
    for folder in run.trainings.values():
        stop_file(folder).touch()
    for process in run.processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    signal_all(run.processes, signal.SIGCONT)  # a paused run hears it when it goes on
    if run.processes:
        yield f"asked to stop; {_in_hand(run)} being ended"
    for words in run.remote:
        yield f"asked to stop as well: {words}"
    yield from _wait(run, reader)
    for stage in run.stages:
        status = reader.read(stage)
        if any(_workers(stage, status)):
            # The request stands until they have seen it: the next run takes it away.
            yield f"{status.label}: what works on other hosts ends after the samples in hand; {_counts(status)} so far"
        else:
            layout.stop_file(stage.dataset_dir).unlink(missing_ok=True)
            yield f"stopped: {status.label}: {_counts(status)}; the same command goes on"
    for label, folder in run.trainings.items():
        seen = read_progress(progress_file(folder))
        if any(_trainers(label, folder)):
            yield f"{label}: the training on another host ends after the step in hand and a checkpoint"
        else:
            stop_file(folder).unlink(missing_ok=True)
            steps = f": {seen.step:,} of {seen.steps:,} steps" if seen else ""
            yield f"stopped: {label}{steps}; the same command goes on"
    yield from _not_reached(Run(foreign=run.foreign), "goes on")


def _in_hand(run: Run) -> str:
    if run.stages and run.trainings:
        return "the samples and the steps in hand are"
    return "the samples in hand are" if run.stages else "the steps in hand are"


def _wait(run: Run, reader: StatusReader) -> Iterator[str]:
    said = time.monotonic()
    while any(map(_lives, run.processes)):
        time.sleep(_LOOK_EVERY_S)
        if time.monotonic() - said >= _SAY_EVERY_S:
            said = time.monotonic()
            shards = [f"{stage.label} {shard}" for stage in run.stages for shard in reader.read(stage).running]
            yield f"waiting for {', '.join([*shards, *run.trainings]) or 'Snakemake to end'}"


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _counts(status: StageStatus) -> str:
    failed = f", {status.failed:,} failed" if status.failed else ""
    if status.wanted is None:
        return f"{status.made:,} samples made{failed}"
    return f"{status.made:,} of {status.wanted:,} samples made{failed}, {status.left:,} left"


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def main(arguments: Sequence[str]) -> int:
    """Do what is asked and say what was done."""
    parser = argparse.ArgumentParser(description="Pause, resume or stop a run.")
    parser.add_argument("deed", choices=("pause", "resume", "stop"))
    parser.add_argument("--configfile", type=Path, default=SHIPPED_CONFIG, help="the configuration of the run")
    chosen = parser.parse_args(arguments)
    reader = StatusReader()
    try:
        run = find_run(read_config(chosen.configfile), reader)
        if chosen.deed == "pause":
            _tell(pause(run))
        elif chosen.deed == "resume":
            _tell(resume(run))
        else:
            _tell(stop(run, reader))
    except (PolymillError, OSError, psutil.AccessDenied) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        if chosen.deed == "stop":
            sys.stderr.write("the request to stop stands: the run ends after the samples in hand\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
