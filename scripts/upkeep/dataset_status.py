"""How far each dataset is, from its plans, receipts and ledgers alone.

Nothing is written and no lock is taken for longer than an instant, so that anybody who may read the files can ask,
beside a run on this machine or on a cluster.

A shard that has a receipt is complete, and the receipt counts its samples: the planner takes it away before any of
them is made again. In every other shard each planned sample is looked up in the ledger, by the rule that planner and
job follow. Sample files are not looked at, but for the newest: one that somebody deleted counts as made.

A shard is being worked on when its lock is held. A job on another host may hold a lock that cannot be seen from here
(NFS without lock daemon, Lustre without `flock`); there, and where a file system has no locks, a ledger that was
written to in the last half minute tells it too. A job whose samples take longer than that then comes and goes.
"""

import os
import socket
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import orjson
import psutil

from scripts.shared import layout
from scripts.shared.errors import JobError, PolymillError
from scripts.shared.fingerprints import SourceStat, digest_value
from scripts.shared.ledger import Row, ShardLedger, decode_head, decode_row, list_shards, read_shard
from scripts.shared.locks import LockFile
from scripts.shared.planning import index_plan, upstream
from scripts.shared.planning.made_before import settings_now
from scripts.shared.planning.plan_file import read_outline, read_plan
from scripts.shared.planning.stage import Stage
from scripts.shared.planning.staleness import Wanted, same_source, why_unanswered
from scripts.systems import SYSTEMS

_FRESH_S = 30.0
_RATE_OVER_S = 60.0
_NEWEST_SHOWN = 3
_TAIL_BYTES = 1 << 16

Value = TypeVar("Value")


class ShardCount(NamedTuple):
    """What one shard holds.

    Attributes:
        wanted: planned samples, None where no plan can be read.
        made: samples that are as planned; without a plan, samples that were ever made.
        failed: the same of failed ones.
        complete: whether its plan was answered.
        rates: how far its jobs were and when, as the ledger keeps it.
    """

    wanted: int | None
    made: int
    failed: int
    complete: bool
    rates: tuple[Row, ...] = ()


class NewSample(NamedTuple):
    """A sample made lately: its key, and when, as Unix time."""

    key: str
    at: float


@dataclass(frozen=True)
class StageStatus:
    """How far one stage of one dataset is.

    Attributes:
        label: the dataset and the stage in words: `clip4mc train, frames`.
        folder: the dataset's results; None where the configuration does not tell.
        wanted: samples planned, None where no plan can be read.
        made: samples that are as planned.
        failed: samples that failed and stay so.
        shards: number of shards.
        complete: how many of them are.
        running: the shards that jobs work on now.
        paused: whether the jobs of this machine are stopped by a signal.
        rate: samples a second of the running jobs together, over their last minute; None where none has told.
        newest: samples made last, the newest first.
        note: what else the user should know; empty where nothing.
    """

    label: str
    folder: Path | None = None
    wanted: int | None = None
    made: int = 0
    failed: int = 0
    shards: int = 0
    complete: int = 0
    running: tuple[str, ...] = ()
    paused: bool = False
    rate: float | None = None
    newest: tuple[NewSample, ...] = ()
    note: str = ""

    @property
    def left(self) -> int | None:
        """Samples yet to make."""
        return None if self.wanted is None else max(self.wanted - self.made - self.failed, 0)

    @property
    def seconds_left(self) -> float | None:
        """Time that they take at the present rate."""
        return None if not self.rate or self.left is None else self.left / self.rate


def stages_of(config: Mapping[str, Any]) -> Iterator[tuple[str, list[Stage] | str]]:
    """Yield each configured dataset in words, and its stages; or what is wrong with its configuration.

    A stage that only a target of its own makes is among them once it was begun.
    """
    for name, system in SYSTEMS.items():
        for dataset in config[name]["datasets"]:
            try:
                begun = [
                    stage for stage in system.asked_for(config, dataset) if layout.state_dir(stage.dataset_dir).is_dir()
                ]
                yield f"{name} {dataset}", [*system.stages(config, dataset), *begun]
            except PolymillError as error:
                yield f"{name} {dataset}", str(error)


class StatusReader:
    """Reads how far datasets are; read again, it opens only files that changed meanwhile."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[Hashable, Any]] = {}

    def read_all(self, config: Mapping[str, Any]) -> list[StageStatus]:
        """The status of every stage of every configured dataset."""
        found = []
        for label, stages in stages_of(config):
            if isinstance(stages, str):
                found.append(StageStatus(label, note=stages))
            else:
                found += map(self.read, stages)
        return found

    def read(self, stage: Stage) -> StageStatus:
        """The status of one stage; what cannot be read is said in its `note`."""
        try:
            return self._read(stage)
        except PolymillError as error:
            note = str(error)
        except OSError as error:
            note = f"{error.filename}: {error.strerror}"
        return StageStatus(stage_words(stage), stage.dataset_dir, note=note)

    def _read(self, stage: Stage) -> StageStatus:
        ledgers = list_shards(stage.ledger_dir)
        earlier = list_shards(layout.ledger_dir(stage.dataset_dir, stage.upstream)) if stage.upstream else {}
        counts = {
            shard: self._count(stage, shard, ledgers.get(shard, []), earlier.get(shard, []))
            for shard in self._shards(stage, list(ledgers))
        }
        at_work = {
            shard: works for shard, count in counts.items()
            if not count.complete and (works := _is_worked_on(stage, shard, ledgers.get(shard, [])))
        }  # fmt: skip
        rates = [rate for shard in at_work if (rate := current_rate(counts[shard].rates)) is not None]
        wanted = [count.wanted for count in counts.values() if count.wanted is not None]
        # A list may also be empty; its index then has a plan that names no shard.
        planned = bool(wanted) or (not counts and index_plan.plan_file(stage.work_dir).exists())
        paused = "paused" in at_work.values()
        return StageStatus(
            label=stage_words(stage),
            folder=stage.dataset_dir,
            wanted=sum(wanted) if planned else None,
            made=sum(count.made for count in counts.values()),
            failed=sum(count.failed for count in counts.values()),
            shards=len(counts),
            complete=sum(count.complete for count in counts.values()),
            running=tuple(at_work),
            paused=paused,
            rate=sum(rates) if rates and not paused else None,
            newest=_newest(stage.dataset_dir, [path for paths in ledgers.values() for path in paths]),
            note=_note(stage, planned=planned),
        )

    def _shards(self, stage: Stage, recorded: list[str]) -> Sequence[str]:
        """The shards that are wanted: as the index lists them, else those with a plan, else those on record."""
        path = index_plan.plan_file(stage.work_dir)
        try:
            return self._once(path, [path], lambda: index_plan.read_index_plan(path).shards)
        except JobError:
            plans = layout.plan_file(stage.stage_work_dir, "*")
            return sorted(found.stem for found in plans.parent.glob(plans.name)) or recorded

    def _count(self, stage: Stage, shard: str, files: list[Path], earlier: list[Path]) -> ShardCount:
        plan = layout.plan_file(stage.stage_work_dir, shard)
        receipt = layout.receipt_file(stage.stage_work_dir, shard)

        def count() -> ShardCount:
            return count_answered(receipt) or count_shard(
                plan, read_shard(stage.ledger_dir, shard, files, decode=decode_head)
            )

        return self._once(plan, [receipt, plan, *files, *earlier], count)

    def _once(self, name: Path, depends_on: list[Path], make: Callable[[], Value]) -> Value:
        """What `make` gives, or gave when the files looked the same."""
        seen = tuple(map(_look, depends_on))
        if name not in self._kept or self._kept[name][0] != seen:
            self._kept[name] = (seen, make())
        value: Value = self._kept[name][1]
        return value


def stage_words(stage: Stage) -> str:
    """A stage in words: `clip4mc train, frames`."""
    return stage.title or f"{stage.label}, {stage.name}"


def _look(path: Path) -> Hashable:
    try:
        seen = os.stat(path)
    except FileNotFoundError:
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def count_answered(receipt: Path) -> ShardCount | None:
    """Count a shard by its receipt; None where it has none."""
    try:
        said = orjson.loads(receipt.read_bytes())
        return ShardCount(said["ok"] + said["failed"], said["ok"], said["failed"], complete=True)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def count_shard(plan: Path, ledger: ShardLedger) -> ShardCount:
    """Count a shard sample by sample; of the ledger's rows the heads suffice."""
    outline = read_outline(plan)
    states: list[str] = []
    if outline is None:
        n_samples, states = None, [row["status"] for row in ledger.rows.values()]
    else:
        header, n_samples = outline
        settings = digest_value(settings_now(header.settings, header.made_before))
        rows = {key: row for key, row in ledger.rows.items() if row.get("settings") == settings}
        if rows:  # else the samples need not be read: nothing was made yet, or the settings changed since
            states = [row["status"] for row in _answers(rows, plan, settings)]
    return ShardCount(n_samples, states.count("ok"), states.count("failed"), False, tuple(ledger.rates))


def _answers(rows: dict[str, Row], plan: Path, settings: str) -> Iterator[Row]:
    """Yield the rows that are what a plan asks for, of those made with its settings."""
    header, samples = read_plan(plan)
    force = frozenset(header.force)
    earlier = upstream.read_earlier(Path(header.dataset_dir), header.upstream, header.shard)
    for sample in samples:
        row = rows.get(sample.key)
        if row is None:
            continue
        seen = upstream.fingerprint(earlier.get(sample.key)) if header.upstream else SourceStat(*sample.stat)
        # A digest takes its time, and most rows were made for this very plan. That stays what it is where an earlier
        # stage has made another file meanwhile.
        if (row["plan"] == header.serial and (not header.upstream or same_source(row, seen))) or (
            sample.key not in force and why_unanswered(row, Wanted(settings, digest_value(sample.entry), seen)) is None
        ):
            yield row


def current_rate(rates: Sequence[Row]) -> float | None:
    """Samples a second over the last minute of a shard's newest job, from its start where it is younger.

    Args:
        rates: the ledger's `rate` rows, in reading order; those of earlier jobs come first.
    """
    if not rates:
        return None
    newest = later = rates[-1]
    made, seconds = newest["made"], newest["seconds"]
    for earlier in reversed(rates[:-1]):
        if earlier["seconds"] >= later["seconds"]:  # of the job before
            break
        if newest["seconds"] - earlier["seconds"] >= _RATE_OVER_S:
            made, seconds = made - earlier["made"], seconds - earlier["seconds"]
            break
        later = earlier
    return float(made / seconds) if seconds > 0 else None


def _is_worked_on(stage: Stage, shard: str, files: Sequence[Path]) -> str:
    """`running` or `paused` where a job is at a shard, else nothing."""
    lock = LockFile(layout.shard_lock(stage.dataset_dir, stage.name, shard))
    held, holder = lock.is_held(), lock.last_holder()
    here = holder is not None and holder.host == socket.gethostname()
    if held and holder and here and is_stopped(holder.pid):
        return "paused"
    lock_tells = held is not None and here
    fresh = bool(files) and time.time() - _changed_at(files[-1]) < _FRESH_S
    return "running" if held or (fresh and not lock_tells) else ""


def is_stopped(pid: int) -> bool:
    """Whether a process of this machine stands still by a signal."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _changed_at(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except (FileNotFoundError, NotADirectoryError):  # compacted meanwhile
        return 0.0


def _newest(dataset_dir: Path, ledgers: Sequence[Path]) -> tuple[NewSample, ...]:
    """The last samples of the ledger file that was written to last."""
    try:
        with max(ledgers, key=_changed_at).open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL_BYTES, 0))
            lines = file.read().splitlines()
    except (ValueError, FileNotFoundError):  # none, or compacted meanwhile
        return ()
    rows = [row for line in reversed(lines) if (row := decode_row(line)) and row.get("status") == "ok"]
    made = ((row["key"], _made_at(dataset_dir, row)) for row in rows[:_NEWEST_SHOWN])
    return tuple(NewSample(key, at) for key, at in made if at)


def _made_at(dataset_dir: Path, row: Row) -> float:
    """When a sample was made, as Unix time; 0 where its files, which alone tell it, are gone."""
    if layout.has_own_folder(row):
        return float(row["folder_mtime_ns"] / 1e9)
    return max((_changed_at(dataset_dir / name) for name in row["files"]), default=0.0)


def _note(stage: Stage, *, planned: bool) -> str:
    if not layout.state_dir(stage.dataset_dir).is_dir():
        if stage.dataset_dir.is_dir() and any(stage.dataset_dir.iterdir()):
            return f"{stage.dataset_dir} holds files, and no record (.state) of a run that made them"
        return "never begun" if not planned else "planned, and nothing made"
    if not planned:
        return f"no plan in {stage.stage_work_dir}: how many are wanted is known when the next run has planned"
    return ""
