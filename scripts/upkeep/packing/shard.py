"""Pack the finished samples of one shard into tars that `webdataset` reads.

A sample's tar follows from its shard and from its place among all that the shard ever had, so that what comes and goes
moves no other one. Beside the tars, in `.state`, lies a record a shard: what each tar holds. A tar of which the record
tells what is wanted, and whose size and time of change are the recorded ones, is left alone.
"""

import hashlib
import json
import logging
import os
import tarfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from scripts.shared import atomic_files, layout
from scripts.shared.disk_errors import disk_errors
from scripts.shared.errors import JobError, PlanningError
from scripts.shared.fingerprints import digest_bytes, digest_value
from scripts.shared.ledger import Row, list_shards, read_shard
from scripts.shared.locks import LockFile
from scripts.shared.planning.members import read_members
from scripts.shared.planning.plan_file import read_plan
from scripts.upkeep.names import can_be_followed
from scripts.upkeep.packing.names import member_names

FORMAT = 1  # raise when equal samples give other tars: all are made again
_END = bytes(2 * tarfile.BLOCKSIZE)
_NAMED = 20  # damaged samples that the terminal shows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardToPack:
    """One shard of a dataset.

    Attributes:
        label: it in words: `clip4mc train 00042`.
        system: name of the system.
        dataset: name of the dataset, with which the tars' names begin.
        dataset_dir: the dataset's results folder.
        stages: names of the stages whose files are packed; a sample is, once all of them have made it.
        plan: plan of the shard in the last of them, which tells what is wanted.
        shard: its number, as files are named.
        packed_dir: the folder of the tars.
        n_samples: places for samples in a tar.
        again: tars to make even where their size and time of change are right.
    """

    label: str
    system: str
    dataset: str
    dataset_dir: str
    stages: list[str]
    plan: str
    shard: str
    packed_dir: str
    n_samples: int
    again: list[str] = field(default_factory=list)


class Member(NamedTuple):
    """A file as it is to lie in a tar: its name there, where it lies loose, its size and its digest."""

    name: str
    place: str
    size: int
    digest: str


class Sample(NamedTuple):
    """A sample with its files, in the order in which they lie in the tar."""

    key: str
    members: tuple[Member, ...]


Tars = dict[str, list[Sample]]
Record = dict[str, Any]


def record_file(packed_dir: Path, shard: str) -> Path:
    """Where the record of a shard lies."""
    return layout.state_dir(packed_dir) / f"{shard}.json"


def read_record(packed_dir: Path, shard: str) -> Record | None:
    """The record of a shard; None where there is none that can be used."""
    try:
        content = json.loads(record_file(packed_dir, shard).read_text(encoding="utf-8"))
        record: Record = content["record"]
        fits = content["digest"] == digest_value(record) and record["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return record if fits else None


def write_record(packed_dir: Path, shard: str, record: Record) -> None:
    """Put the record of a shard in its place."""
    atomic_files.write_json(record_file(packed_dir, shard), {"record": record, "digest": digest_value(record)})


def stamp(task: ShardToPack, ledger_files: dict[str, list[Path]]) -> str:
    """A digest that stays while no job of the stages does anything to the shard: what they do, they append.

    Args:
        task: the shard.
        ledger_files: the shard's ledger files by stage.
    """
    ledgers = [[s, *((file.name, os.stat(file).st_size) for file in ledger_files[s])] for s in task.stages]
    return digest_value([task.dataset, task.n_samples, ledgers])


def ledgers_of(task: ShardToPack) -> dict[str, list[Path]]:
    """The shard's ledger files by stage."""
    dataset_dir = Path(task.dataset_dir)
    return {stage: list_shards(layout.ledger_dir(dataset_dir, stage)).get(task.shard, []) for stage in task.stages}


def wanted_tars(task: ShardToPack, ledger_files: dict[str, list[Path]]) -> Tars:
    """The samples of each tar, by its name; none of a tar that would be empty.

    Args:
        task: the shard.
        ledger_files: the shard's ledger files by stage.

    Raises:
        JobError: the plan cannot be used.
        PlanningError: a newer version of Polymill wrote the ledger.
    """
    dataset_dir = Path(task.dataset_dir)
    wanted = {sample.key for sample in read_plan(Path(task.plan))[1]}
    rows = [
        read_shard(layout.ledger_dir(dataset_dir, stage), task.shard, ledger_files[stage]).rows for stage in task.stages
    ]
    tars: Tars = defaultdict(list)
    shard_of = read_members(layout.members_file(dataset_dir), []).shard_of
    places = (key for key, shard in shard_of.items() if shard == int(task.shard))
    for place, key in enumerate(places):
        of_stages = [held.get(key) for held in rows]
        if key in wanted and all(row is not None and row["status"] == "ok" for row in of_stages):
            sample = _sample(key, [row for row in of_stages if row is not None])
            tars[f"{task.dataset}-{task.shard}-{place // task.n_samples:03d}.tar"].append(sample)
    return dict(tars)


def _sample(key: str, rows: list[Row]) -> Sample:
    if not all(map(can_be_followed, rows)):
        raise JobError(f"{key!r:.200}: its name, or that of a file, leads out of its folder: no such sample is packed")
    names = member_names(key, rows)
    members = [
        Member(names[name], layout.sample_file(row, name), size, digest)
        for row in rows
        for name, (size, digest) in row["files"].items()
    ]
    return Sample(key, tuple(members))


def content_of(samples: list[Sample]) -> str:
    """A digest of what a tar holds: equal samples give equal tars."""
    return digest_value([[member.name, member.size, member.digest] for s in samples for member in s.members])


def is_whole(packed_dir: Path, name: str, recorded: Record) -> bool:
    """Whether a tar is there as recorded, by its size and time of change."""
    try:
        found = os.stat(packed_dir / name)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (recorded["size"], recorded["mtime_ns"])


def pack_shard(task: ShardToPack) -> Record:
    """Make the tars of a shard that are not as they should be, and remove those that should not be.

    Whatever ends it, another one goes on, and both give the same bytes.

    Returns:
        Name, samples, bytes and digest of each tar, for the index.

    Raises:
        JobError: loose files are not what was written: their samples are left out, all others are packed; or the disk
            refuses.
    """
    packed_dir = Path(task.packed_dir)
    with disk_errors(packed_dir, JobError, label=f"[{task.label}] "), _held(task):
        try:
            return _Packing(task, packed_dir).run()
        except PlanningError as error:
            raise JobError(f"{error}") from None


@contextmanager
def _held(task: ShardToPack) -> Iterator[None]:
    """Keep jobs of the stages off the shard: nothing of it may change between its ledger and its files."""
    with ExitStack() as held:
        for stage in task.stages:
            lock = LockFile(layout.shard_lock(Path(task.dataset_dir), stage, task.shard))
            if not lock.acquire(wait=False):
                log.info("[%s] waits for %s, which works on this shard", task.label, lock.holder())
                lock.acquire(wait=True)
            held.callback(lock.release)
        yield


class _Packing:
    """The work on one shard whose locks are held."""

    def __init__(self, task: ShardToPack, packed_dir: Path) -> None:
        self.task, self.packed_dir = task, packed_dir
        self.damaged: dict[str, str] = {}
        self.record: Record = {"format": FORMAT, "stamp": "", "tars": {}}

    def run(self) -> Record:
        task = self.task
        for folder in (self.packed_dir, layout.state_dir(self.packed_dir)):
            atomic_files.remove_leftovers(atomic_files.leftovers(folder, deep=False))
        before: Record = (read_record(self.packed_dir, task.shard) or self.record)["tars"]
        files = ledgers_of(task)
        # Before the rows are read: one that comes meanwhile, where there are no locks, must not pass for packed.
        as_packed = stamp(task, files)
        wanted = wanted_tars(task, files)
        self.record["tars"] = {name: tar for name, tar in before.items() if name in wanted}
        n_made = 0
        for name, samples in wanted.items():
            recorded = before.get(name)
            if (
                recorded is None
                or name in task.again
                or recorded["content"] != content_of(samples)
                or not is_whole(self.packed_dir, name, recorded)
            ):
                n_made += 1
                self._make(name, samples)
        stale = {path.name for path in self.packed_dir.glob(f"{task.dataset}-{task.shard}-*.tar")} | before.keys()
        for name in sorted(stale - self.record["tars"].keys()):
            (self.packed_dir / name).unlink(missing_ok=True)
        self.record["stamp"] = "" if self.damaged else as_packed
        write_record(self.packed_dir, task.shard, self.record)
        log.info("[%s] %d tars, %d of them made or made again", task.label, len(self.record["tars"]), n_made)
        self._stop_if_damaged()
        return {
            name: {fact: tar[fact] for fact in ("samples", "size", "blake2b")}
            for name, tar in sorted(self.record["tars"].items())
        }

    def _make(self, name: str, samples: list[Sample]) -> None:
        """Write a tar and its record; without the samples that are damaged, and not at all where none is left."""
        digest = hashlib.blake2b(digest_size=16)
        packed: list[Sample] = []
        self.record["tars"].pop(name, None)
        with atomic_files.open_new(self.packed_dir / name) as file:
            for sample in samples:
                try:
                    content = self._read(sample)
                except _DamagedError as error:
                    self._leave_out(sample.key, f"{error}")
                    continue
                for member, data in zip(sample.members, content, strict=True):
                    for block in _blocks(member.name, data):
                        file.write(block)
                        digest.update(block)
                packed.append(sample)
            file.write(_END)
            digest.update(_END)
        if not packed:
            return  # as any tar of which nothing is on record, it is removed
        found = os.stat(self.packed_dir / name)
        self.record["tars"][name] = {
            "samples": len(packed),
            "size": found.st_size,
            "mtime_ns": found.st_mtime_ns,
            "blake2b": digest.hexdigest(),
            "content": content_of(packed),
        }
        # At once: a job that is ended now does not make it again.
        write_record(self.packed_dir, self.task.shard, self.record)

    def _read(self, sample: Sample) -> list[bytes]:
        """The files of a sample, as its ledger rows tell of them."""
        content = []
        for member in sample.members:
            path = Path(self.task.dataset_dir, member.place)
            try:
                data = path.read_bytes()
            except OSError as error:
                raise _DamagedError(f"{member.place}: {error.strerror}") from error
            if len(data) != member.size or digest_bytes(data) != member.digest:
                raise _DamagedError(f"{member.place} does not hold what was written")
            content.append(data)
        return content

    def _leave_out(self, key: str, why: str) -> None:
        level = logging.WARNING if len(self.damaged) < _NAMED else logging.DEBUG
        log.log(level, "[%s] left out: %s (%s)", self.task.label, key, why)
        self.damaged[key] = why

    def _stop_if_damaged(self) -> None:
        if not self.damaged:
            return
        key, why = next(iter(self.damaged.items()))
        system = self.task.system
        raise JobError(
            f"[{self.task.label}] {len(self.damaged):,} samples are not packed, such as {key} ({why}); all others are. "
            f"snakemake all_{system} --config verify=digest makes them again (and {system}_verify looks at all there "
            "are); then pack again"
        )


class _DamagedError(Exception):
    """A loose file is not as recorded."""


def _blocks(name: str, data: bytes) -> Iterator[bytes]:
    """Yield a file as it lies in a tar; equal whatever made it, and when."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    yield data
    yield bytes(-len(data) % tarfile.BLOCKSIZE)
