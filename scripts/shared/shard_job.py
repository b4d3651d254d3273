"""The job of one shard: make what its plan wants and the ledger lacks, sample by sample."""

import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files, layout
from scripts.shared.disk_errors import disk_words
from scripts.shared.errors import JobError, SampleError, StoppedError
from scripts.shared.fingerprints import UNSEEN, SourceStat, digest_value, stat_source
from scripts.shared.ledger import LedgerWriter, Row, read_shard
from scripts.shared.locks import LockFile
from scripts.shared.planning import upstream
from scripts.shared.planning.made_before import settings_now
from scripts.shared.planning.plan_file import PlanHeader, PlannedSample, read_plan
from scripts.shared.planning.sources import source_path
from scripts.shared.planning.staleness import Wanted, why_make
from scripts.shared.progress import Progress
from scripts.shared.sample_files import OwnFolders, SharedFolders
from scripts.shared.sample_task import MadeSample, SampleTask
from scripts.shared.stop_request import StopRequest
from scripts.shared.worker_pool import run_groups, run_tasks

# All that an index may depend on: an index is made again where a receipt differs.
_IN_RECEIPT = ("key", "status", "files", "facts", "error", "message", "source_name")
_ASK_FOR_LOCK_EVERY_S = 0.5
_HOPELESS_AFTER = 50  # samples: when these, the first, all failed, something is wrong with all
_UNREADABLE_IN_A_ROW = 50  # samples: more is no bad sector, but a bad disk

log = logging.getLogger(__name__)


# From a plan's means, and whether the job is to end, to the means that samples are made with; held while they are.
Equip = Callable[[dict[str, Any], Callable[[], bool]], AbstractContextManager[dict[str, Any]]]
# From these means, and the tasks, to the groups that are made together.
Group = Callable[[dict[str, Any], list[SampleTask]], list[list[SampleTask]]]
# From these means, and the tasks with what the workers answered, to the tasks with what became of their samples.
Combine = Callable[
    [dict[str, Any], Iterator[tuple[SampleTask, Any | SampleError]]],
    Iterator[tuple[SampleTask, MadeSample | SampleError]],
]
# Takes a plan's header and, by key, the rows of its samples.
Finish = Callable[[PlanHeader, dict[str, Row]], None]


def run_shard(
    plan_path: Path,
    receipt: Path | None,
    *,
    function: str,
    versions: dict[str, str],
    workers: int,
    equip: Equip = lambda means, _: nullcontext(means),
    group: Group | None = None,
    combine: Combine = lambda _, answers: answers,
    finish: Finish = lambda _header, _rows: None,
) -> None:
    """Answer a plan.

    Any number of these may run on one shard, one after another or interrupted at any point: each makes what is
    missing when it starts, and all give the same bytes.

    Args:
        plan_path: the plan.
        receipt: where to say that it was answered; None for a plan of single samples asked for by path.
        function: `module:name` of the system's worker function, `SampleTask` to `MadeSample`, or to what `combine`
            takes.
        versions: libraries whose output the samples are.
        workers: number of worker processes.
        equip: takes what the plan's means ask for, such as a GPU, where there are samples to make. Where it adds
            `workers` to the means, this many work instead.
        group: puts the tasks together that a worker is to do at once, each in one group; `function` then takes such a
            list, and gives a list with a result for each, see `run_groups`. None: it takes one task.
        combine: finishes in this process what workers have begun, such as groups of samples on one GPU. It may give
            the samples in any order, each once; the answers end early where the job is asked to.
        finish: called once all samples of the plan are there, before the receipt is written.

    Raises:
        JobError: the plan is damaged or was replaced, the disk is full, or all of the first samples failed; or,
            without a receipt, a sample failed.
        StoppedError: it was asked to end; what was made is recorded, and no receipt written.
    """
    header, _ = read_plan(plan_path)
    dataset_dir = Path(header.dataset_dir)
    lock = LockFile(layout.shard_lock(dataset_dir, header.stage, header.shard))
    with StopRequest(layout.stop_file(dataset_dir)) as stop:
        try:
            if not lock.acquire(wait=False):
                log.info("[%s] waits for %s, which works on this shard", header.label, lock.holder())
                _wait_for(lock, header.label, stop)
            if not lock.supported:
                log.warning("[%s] this file system has no locks: do not start the same run twice", header.label)
            opened = _identity(plan_path)
            header, samples = read_plan(plan_path)  # again: it may have been replaced while this job waited
            shard = ShardWork(header, dataset_dir, plan_path, opened, equip, combine, group)
            shard.make_missing(
                samples, function=function, versions=versions, workers=workers, alone=lock.supported, stop=stop
            )
            shard.stop_if_replaced()
            if receipt is None:
                shard.stop_if_failed(samples)
            else:
                finish(header, {sample.key: shard.rows[sample.key] for sample in samples})
                shard.write_receipt(receipt, samples)
        except OSError as error:
            raise JobError(f"[{header.label}] {disk_words(error, dataset_dir)}") from error
        finally:
            lock.release()


def _wait_for(lock: LockFile, label: str, stop: StopRequest) -> None:
    """Ask again and again: a wait without end would be deaf to a request to stop."""
    while not lock.acquire(wait=False):
        if stop():
            raise StoppedError(f"[{label}] stopped by {stop.by} while it waited: the same command goes on")
        time.sleep(_ASK_FOR_LOCK_EVERY_S)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


@dataclass
class ShardWork:
    """The work on one shard: what its ledger says, and how a sample gets into it.

    Attributes:
        header: of the plan.
        dataset_dir: the dataset's results folder.
        plan_path: the plan, which a newer run may replace.
        opened: which file it was when it was read.
        equip, combine, group: see `run_shard`.
    """

    header: PlanHeader
    dataset_dir: Path
    plan_path: Path
    opened: tuple[int, int] | None = None
    equip: Equip = lambda means, _: nullcontext(means)
    combine: Combine = lambda _, answers: answers
    group: Group | None = None

    def __post_init__(self) -> None:
        ledger = read_shard(layout.ledger_dir(self.dataset_dir, self.header.stage), self.header.shard)
        self.rows: dict[str, Row] = ledger.rows
        # The earlier stage's job has ended: its receipt is an input of this one.
        self.earlier = upstream.read_earlier(self.dataset_dir, self.header.upstream, self.header.shard)
        self.settings = settings_now(self.header.settings, self.header.made_before)
        self.settings_digest = digest_value(self.settings)
        self.force = frozenset(self.header.force)
        self.places = (
            OwnFolders(self.dataset_dir, self.header.files)
            if self.header.own_folders
            else SharedFolders(self.dataset_dir)
        )

    def make_missing(
        self,
        samples: list[PlannedSample],
        *,
        function: str,
        versions: dict[str, str],
        workers: int,
        alone: bool,
        stop: StopRequest,
    ) -> None:
        """Make the samples that the ledger lacks; `alone` says that no other job can be at this shard.

        Raises:
            StoppedError: it was asked to end, and has ended and recorded the samples in hand.
        """
        unfinished = layout.unfinished_dir(self.dataset_dir, self.header.stage, self.header.shard)
        if alone:
            shutil.rmtree(unfinished, ignore_errors=True)  # what an earlier job was making when it was ended
        missing = {sample.key: sample for sample in samples if self._is_missing(sample)}
        if not missing:
            log.info("[%s] all %d samples are there", self.header.label, len(samples))
            return
        writer = LedgerWriter(layout.ledger_dir(self.dataset_dir, self.header.stage), self.header.shard, versions)
        progress = Progress(self.header.label, total=len(missing), log=log)
        # The first in the list, not the first to end: failures are quicker than samples.
        first = set(islice((key for key, sample in missing.items() if not self._ruled_out(sample)), _HOPELESS_AFTER))
        if any(self.rows.get(sample.key, {}).get("status") == "ok" for sample in samples):
            first = set()  # some were made before: there is hope
        tried: Counter[str | None] = Counter()
        unreadable = 0
        try:
            for sample, result in self._results(missing, unfinished / writer.attempt, function, workers, stop):
                self.stop_if_replaced()
                error = result.error if isinstance(result, SampleError) else None
                unreadable = unreadable + 1 if error == "unreadable" else 0
                if isinstance(result, SampleError):
                    self._stop_if_sources_gone(sample, unreadable)
                    self._record_failure(writer, sample, result)
                else:
                    self.publish(writer, sample, result, self.places.making(unfinished / writer.attempt, sample.key))
                if progress.step(failed=error):
                    writer.append({"rate": {**progress.rate(), "workers": workers}})
                if sample.key in first:
                    tried.update([error])
                    _stop_if_hopeless(tried)
            writer.append({"rate": {**progress.rate(), "workers": workers}})
        finally:
            writer.close()
            shutil.rmtree(unfinished / writer.attempt, ignore_errors=True)
            with suppress(OSError):  # another job is at this shard
                unfinished.rmdir()
        progress.end()
        if progress.done < len(missing):
            raise StoppedError(
                f"[{self.header.label}] stopped by {stop.by} after {progress.done} of {len(missing)} samples: the same "
                "command goes on"
            )

    def _is_missing(self, sample: PlannedSample) -> bool:
        row = self.rows.get(sample.key)
        if sample.key in self.force and (row is None or row.get("plan") != self.header.serial):
            return True
        why = why_make(row, self._wanted(sample, self._seen(sample)), self.dataset_dir)
        if why == "source changed" and not self.header.upstream:
            # Made by an earlier attempt at this plan from a source that is newer than the plan.
            why = why_make(row, self._wanted(sample, stat_source(self._source(sample))), self.dataset_dir)
        return why is not None

    def _wanted(self, sample: PlannedSample, seen: SourceStat) -> Wanted:
        return Wanted(self.settings_digest, digest_value(sample.entry), seen)

    def _seen(self, sample: PlannedSample) -> SourceStat:
        """The source before the sample is made: as the planner saw it, or as the earlier stage left it."""
        if self.header.upstream:
            return upstream.fingerprint(self.earlier.get(sample.key))
        return SourceStat(*sample.stat)

    def _ruled_out(self, sample: PlannedSample) -> SampleError | None:
        """Why a sample need not be tried: the source list says so, or an earlier stage failed on it."""
        if "error" in sample.entry:
            return SampleError(*sample.entry["error"])
        return self._failed_earlier(sample)

    def _failed_earlier(self, sample: PlannedSample) -> SampleError | None:
        if not self.header.upstream:
            return None
        return upstream.failure(self.header.upstream, self.earlier.get(sample.key))

    def _source(self, sample: PlannedSample) -> Path:
        return Path(source_path(self.header.source_dir, self.header.source_dirs, sample.entry.get("source", "")))

    def _results(
        self, missing: dict[str, PlannedSample], unfinished: Path, function: str, workers: int, stop: StopRequest
    ) -> Iterator[tuple[PlannedSample, MadeSample | SampleError]]:
        """Yield each sample with what became of it; those that are ruled out need no worker."""
        left = []
        for sample in missing.values():
            if ruled_out := self._ruled_out(sample):
                yield sample, ruled_out
            else:
                left.append(sample)
        if not left:
            return
        with self.equip(self.header.means, stop) as means:
            tasks = [self._task(sample, means, self.places.making(unfinished, sample.key)) for sample in left]
            for task, result in self.combine(means, self._answers(function, tasks, means, workers, stop)):
                yield missing[task.key], result

    def _answers(
        self, function: str, tasks: list[SampleTask], means: dict[str, Any], workers: int, stop: StopRequest
    ) -> Iterator[tuple[SampleTask, Any | SampleError]]:
        workers, timeout_s = means.get("workers", workers), self.header.sample_timeout_s
        if self.group is None:
            return run_tasks(function, tasks, workers=workers, timeout_s=timeout_s, stop=stop)
        groups = self.group(means, tasks)
        return run_groups(function, groups, workers=workers, timeout_s=timeout_s, stop=stop)

    def _task(self, sample: PlannedSample, means: dict[str, Any], folder: Path) -> SampleTask:
        return SampleTask(sample.key, sample.entry, self.settings, means, self._source(sample), folder)

    def publish(self, writer: LedgerWriter, sample: PlannedSample, made: MadeSample, folder: Path) -> None:
        """Put a sample's complete files where they belong, and record them.

        Args:
            writer: of the shard's ledger.
            sample: the sample.
            made: what was made of it.
            folder: below which the files lie; see `SampleTask`.
        """
        making = partial(self._append_making, writer, sample.key)
        state = self.places.put(sample.key, self.rows.get(sample.key), made.files, folder, making)
        # A file that an earlier stage made again with the same bytes is the same source, whatever its time.
        of_the_user = "source" in sample.entry and not self.header.upstream
        source = made.source if of_the_user else self._seen(sample)
        self._append(writer, sample, source, status="ok", files=made.files, **state, facts=made.facts)

    def _record_failure(self, writer: LedgerWriter, sample: PlannedSample, error: SampleError) -> None:
        making = partial(self._append_making, writer, sample.key)
        self.places.remove(sample.key, self.rows.get(sample.key), sample.entry.get("files", ()), making)
        seen = self._seen(sample)
        expected = "source" in sample.entry and not self._failed_earlier(sample)
        if expected and stat_source(self._source(sample)) == UNSEEN:
            seen = UNSEEN  # it is tried again as soon as it is seen
        self._append(
            writer,
            sample,
            seen,
            status="failed",
            error=error.error,
            message=error.message,
            source_name=sample.entry.get("source", ""),
        )
        log.warning("[%s] %s failed: %s", self.header.label, sample.key, error)

    def _stop_if_sources_gone(self, sample: PlannedSample, unreadable: int) -> None:
        """Tell a disk that is gone or ill from a sample that failed.

        Args:
            sample: failed.
            unreadable: how many in a row could not be read.

        Raises:
            JobError: the sources' folder, in which the planner saw this one, is gone or empty; or too many.
        """
        name, _, _ = sample.entry.get("source", "").partition("/")
        folder = Path(self.header.source_dirs.get(name, self.header.source_dir))
        if unreadable >= _UNREADABLE_IN_A_ROW:
            raise JobError(
                f"[{self.header.label}] {unreadable} samples in a row could not be read: is the disk of {folder} well? "
                "Those recorded are tried again with --config retry_failed=[unreadable]"
            )
        expected = "source" in sample.entry and self._seen(sample) != UNSEEN
        if not expected or stat_source(self._source(sample)) != UNSEEN:
            return
        if not any(os.scandir(folder)):
            raise JobError(
                f"[{self.header.label}] {folder} is empty now: is it mounted? Run again when it is: what is finished "
                "is kept"
            )

    def _append_making(self, writer: LedgerWriter, key: str, *, sync: bool = True, **fields: Any) -> None:
        writer.append({"key": key, "status": "making", **fields}, sync=sync)

    def _append(self, writer: LedgerWriter, sample: PlannedSample, source: SourceStat, **fields: Any) -> None:
        row = {
            "key": sample.key,
            "settings": self.settings_digest,
            "entry": digest_value(sample.entry),
            "source": source,
            "plan": self.header.serial,
            "made_by": writer.made_by,
            **fields,
        }
        writer.append(row)
        self.rows[sample.key] = row

    def stop_if_replaced(self) -> None:
        """Leave the rest to a newer run.

        Raises:
            JobError: the plan is not the one that was read.
        """
        now = _identity(self.plan_path)
        if now is not None and now != self.opened:
            raise JobError(
                f"[{self.header.label}] a newer run planned this shard again: this job ends and leaves it the rest"
            )

    def stop_if_failed(self, samples: list[PlannedSample]) -> None:
        """Say of samples asked for by path why they are not there.

        Raises:
            JobError: one failed.
        """
        for sample in samples:
            row = self.rows[sample.key]
            if row["status"] == "failed":
                raise JobError(f"{sample.key} cannot be made: {row['error']}: {row['message']}")

    def write_receipt(self, path: Path, samples: list[PlannedSample]) -> None:
        """Say what the shard holds; equal shards give equal receipts."""
        rows = [self.rows[sample.key] for sample in samples]
        held = [[row.get(name) for name in _IN_RECEIPT] for row in rows]
        n_ok = sum(row["status"] == "ok" for row in rows)
        atomic_files.write_json(
            path,
            {
                "shard": self.header.shard,
                "ok": n_ok,
                "failed": len(rows) - n_ok,
                "digest": digest_value(held),
            },
        )


def _stop_if_hopeless(tried: Counter[str | None]) -> None:
    if tried.total() == _HOPELESS_AFTER and not tried[None]:
        commonest = ", ".join(f"{error} ({count})" for error, count in tried.most_common(3))
        raise JobError(f"the first {_HOPELESS_AFTER} samples all failed: {commonest}; the log names each")
