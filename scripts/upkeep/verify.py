"""Check a dataset after it was made: what its folder holds against its own ledger and its own index.

It reads only, and neither sources nor their list, so that it works on a folder that was moved or restored.
"""

import json
import logging
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import nsmallest
from pathlib import Path
from typing import Any

from scripts.shared import atomic_files, layout
from scripts.shared.errors import JobError, SampleError
from scripts.shared.ledger import list_shards
from scripts.shared.planning.index_plan import read_index_plan
from scripts.shared.planning.members import read_members
from scripts.shared.progress import Progress
from scripts.shared.selection import keyed_hash
from scripts.shared.worker_pool import run_tasks
from scripts.shared.worker_process import load_function
from scripts.upkeep.verify_shard import SampleSeen, ShardSeen, ShardToVerify

_EXAMPLES = 50  # of each class of problem
_ON_SHEET = 10
_DRAWN_FROM = 1000  # as many are held at once, so that few sorts do
_NAMED = 3  # classes that the gate names
_OWN_FOLDERS = {"figures"}

# What mends each class; what is in none of them shows in the report and fails nothing.
_ALL = "snakemake all_{system}"
_MENDS = {
    "missing": _ALL,
    "interrupted": _ALL,
    "other_settings": _ALL,
    "other_source": _ALL,
    "index_lacks": _ALL,
    "index_too_much": _ALL,
    "index_unreadable": _ALL,
    "file_missing": f"{_ALL} --config verify=full",
    "file_size": f"{_ALL} --config verify=full",
    "file_unreadable": "mend the disk",
    "file_damaged": f"{_ALL} --config verify=digest",
    "file_content": f"{_ALL} --config verify=digest, and where that makes nothing, remake=KEY",
}

# What is known of a sample.
_WANTED, _ON_RECORD, _MADE, _LISTED, _SEEN = 1, 2, 4, 8, 16

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageToVerify:
    """One stage.

    Attributes:
        name: its name.
        settings: those that change bytes, as configured now.
        checker: what makes its `SampleChecker`; empty where there is none.
        upstream: name of the earlier stage on whose files it works; empty where there is none.
        index_plan: of a stage for a part of the keys, the plan that tells which; empty where it is for all.
    """

    name: str
    settings: dict[str, Any]
    checker: str = ""
    upstream: str = ""
    index_plan: str = ""


@dataclass(frozen=True)
class DatasetToVerify:
    """What the job is asked.

    Attributes:
        label: the dataset in words: `clip4mc train`.
        system: name of the system.
        dataset_dir: the dataset's results folder.
        index_plan: the plan of its index, which tells what is wanted; it may be absent.
        stages: in the order of the work.
        listed: `module:function` that gives the folders named in the dataset's index, or the keys where samples share
            folders; empty where there is none.
        sheet: `module:function` that draws samples; empty where there is none.
        means: what the stages use and changes no bytes, by name.
        read_all: read every byte, not sizes, small files and the beginnings of large ones alone.
        seed: chooses the samples that are drawn.
        own_folders: whether each sample has a folder of its own.
        kept_files: patterns of files that lie in the dataset's folder beside its samples.
    """

    label: str
    system: str
    dataset_dir: str
    index_plan: str
    stages: list[StageToVerify]
    listed: str
    sheet: str
    means: dict[str, str]
    read_all: bool
    seed: int
    own_folders: bool = True
    kept_files: list[str] = field(default_factory=list)

    @classmethod
    def from_request(cls, asked: Mapping[str, Any]) -> "DatasetToVerify":
        """Take it from the plain types of a request."""
        return cls(**{**asked, "stages": [StageToVerify(**stage) for stage in asked["stages"]]})


class _Problems:
    """How many samples have which problem, and the first of them by key."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = defaultdict(list)

    def add(self, problem: str, key: str, message: str = "") -> None:
        self.counts[problem] += 1
        examples = self._examples[problem]
        examples.append(f"{key}: {message}" if message else key)
        if len(examples) > 2 * _EXAMPLES:
            examples[:] = nsmallest(_EXAMPLES, examples)

    def report(self) -> dict[str, Any]:
        return {
            problem: {"count": count, "examples": nsmallest(_EXAMPLES, self._examples[problem])}
            for problem, count in self.counts.most_common()
        }


@dataclass
class _Findings:
    """All that is found of a dataset.

    Attributes:
        known: what is known of each key, as the sum of the numbers above: a million keys take some 110 MB.
        problems: what fails the target.
        remarks: what does not.
        stages: counts by stage.
        sound: smallest hashes and keys of the samples in which nothing was found.
        folders: at the top of the dataset's, that hold files of samples that share folders.
    """

    known: dict[str, int] = field(default_factory=dict)
    problems: _Problems = field(default_factory=_Problems)
    remarks: _Problems = field(default_factory=_Problems)
    stages: dict[str, Any] = field(default_factory=dict)
    sound: list[tuple[int, str]] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)

    def mark(self, key: str, what: int) -> None:
        self.known[key] = self.known.get(key, 0) | what


def verify_dataset(task: DatasetToVerify, *, report: Path, figure: Path | None, workers: int) -> None:
    """Look at a dataset and write what was found; it raises nothing for what is wrong with the dataset.

    Args:
        task: the dataset.
        report: `verification.json`.
        figure: where to draw ten samples, for systems that can; those of smallest hash of the seed and their key among
            all in which nothing was found, so that equal datasets give equal figures.
        workers: processes.

    Raises:
        JobError: a worker process died, or a newer version of Polymill wrote the dataset.
    """
    found = _Findings()
    plan_known = _read_wanted(task, found)
    for stage in task.stages:
        _verify_stage(task, stage, found, plan_known=plan_known, workers=workers)
    if not found.known and not plan_known:
        found.problems.add("missing", "all", "nothing is on record")
    _verify_index(task, found, plan_known=plan_known)
    for name in _foreign_folders(task, found):
        found.remarks.add("foreign_folder", name)
    keys = [key for _, key in found.sound]
    if figure is not None:
        draw = load_function(task.sheet)
        for key, message in draw(
            Path(task.dataset_dir),
            keys,
            figure,
            settings=task.stages[-1].settings,
            means=task.means,
            title=f"{task.label}: {len(keys)} random samples (seed {task.seed})",
        ).items():
            found.problems.add("file_content", key, message)
    atomic_files.write_json(
        report,
        {
            "dataset": task.label,
            "read": "every byte" if task.read_all else "sizes, small files, beginnings of large ones",
            "wanted": sum(known & _WANTED > 0 for known in found.known.values()) if plan_known else None,
            "stages": found.stages,
            "problems": found.problems.report(),
            "remarks": found.remarks.report(),
            "drawn": keys,
        },
    )
    _say(task, found, report)


def _read_wanted(task: DatasetToVerify, found: _Findings) -> bool:
    """Note what the index plan wants; whether there is one."""
    path = Path(task.index_plan)
    if not path.exists():
        log.info("[%s] no %s: what is missing cannot be told, all_%s writes it", task.label, path, task.system)
        return False
    try:
        keys = read_index_plan(path).keys
    except JobError as error:
        log.warning("[%s] %s; what is missing cannot be told", task.label, error)
        return False
    for key in keys:
        found.mark(key, _WANTED)
    return True


def _verify_stage(
    task: DatasetToVerify, stage: StageToVerify, found: _Findings, *, plan_known: bool, workers: int
) -> None:
    part = _keys_of_part(stage)
    for key, known in found.known.items():
        found.known[key] = known & ~(_ON_RECORD | _MADE)
    counts: Counter[str] = Counter(ok=0, failed=0, interrupted=0, unwanted=0, damaged_ledger_lines=0)
    errors: Counter[str] = Counter()
    for seen in _samples_seen(task, stage, counts, found.folders, workers):
        made, failed = seen.status == "ok", seen.status == "failed"
        found.mark(seen.key, _SEEN | _ON_RECORD | (_MADE if made else 0))
        wanted = seen.key in part if part is not None else not plan_known or found.known[seen.key] & _WANTED
        counts["ok" if made else "failed" if failed else "interrupted"] += 1
        counts["unwanted"] += not wanted
        if failed:
            errors[seen.message] += 1
        if seen.problem:
            found.problems.add(seen.problem, seen.key, seen.message)
        elif wanted and not made and not failed:
            found.problems.add("interrupted", seen.key)
        elif wanted and seen.other_settings:
            found.problems.add("other_settings", seen.key)
        elif wanted and seen.other_source:
            found.problems.add("other_source", seen.key, f"{stage.upstream} has made another file since")
        elif made and wanted and stage is task.stages[-1]:
            found.sound.append((keyed_hash(task.seed, f"verify {seen.key}"), seen.key))
            if len(found.sound) > _DRAWN_FROM:
                found.sound = nsmallest(_ON_SHEET, found.sound)
    found.sound = nsmallest(_ON_SHEET, found.sound)
    for key, known in found.known.items():
        if (known & _WANTED if part is None else key in part) and not known & _ON_RECORD:
            found.problems.add("missing", key, f"no row of {stage.name}")
    found.stages[stage.name] = {**counts, "errors": dict(sorted(errors.items()))}


def _keys_of_part(stage: StageToVerify) -> frozenset[str] | None:
    """What a stage for a part of the keys wants, nothing where that was never planned; None where it is for all."""
    if not stage.index_plan:
        return None
    try:
        return frozenset(read_index_plan(Path(stage.index_plan)).keys)
    except JobError:
        return frozenset()


def _samples_seen(
    task: DatasetToVerify, stage: StageToVerify, counts: Counter[str], folders: set[str], workers: int
) -> Iterator[SampleSeen]:
    """Yield what was found of each sample of a stage, in any order; counts and folders are added to those given."""
    dataset_dir = Path(task.dataset_dir)
    ledger_dir = layout.ledger_dir(dataset_dir, stage.name)
    # After damage to `members` a key may have rows in two shards: those of its own count.
    shard_of = read_members(layout.members_file(dataset_dir), []).shard_of
    shards = [
        ShardToVerify(
            dataset_dir, ledger_dir, shard, tuple(files), stage.settings, stage.checker, task.read_all, stage.upstream
        )
        for shard, files in list_shards(ledger_dir).items()
    ]
    progress = Progress(f"{task.label} {stage.name} verify", total=len(shard_of), log=log)
    results = run_tasks("scripts.upkeep.verify_shard:verify_shard", shards, workers=workers, timeout_s=math.inf)
    for shard, result in results:
        if isinstance(result, SampleError):
            raise JobError(f"[{task.label}] shard {shard.shard} could not be verified: {result}")
        seen_shard: ShardSeen = result
        counts["damaged_ledger_lines"] += seen_shard.damaged_lines
        folders |= seen_shard.folders
        for seen in seen_shard.samples:
            if shard_of.get(seen.key, int(shard.shard)) == int(shard.shard):
                progress.step(failed=seen.problem or None)
                yield seen
    progress.end()


def _verify_index(task: DatasetToVerify, found: _Findings, *, plan_known: bool) -> None:
    """Compare what the index names with what is made and wanted."""
    if not task.listed:
        return
    try:
        folders: Iterable[str] = load_function(task.listed)(Path(task.dataset_dir))
    except JobError as error:
        found.problems.add("index_unreadable", f"{error}")
        return
    here = Path(task.dataset_dir).resolve()
    parents: set[str] = set()
    for folder in folders:
        parent, _, key = folder.rpartition("/") if task.own_folders else ("", "", folder)
        known = found.known.get(key, 0)
        if parent not in parents and Path(here, parent).resolve() != here:
            found.remarks.add("index_of_another_folder", f"{parent}: `{_ALL.format(system=task.system)}` renews it")
        parents.add(parent)
        if known & _LISTED:
            found.problems.add("index_too_much", key, "named twice")
        elif not known & _MADE or (plan_known and not known & _WANTED):
            found.problems.add("index_too_much", key, "named, but not wanted and finished")
        found.mark(key, _LISTED)
    if plan_known:
        for key, known in found.known.items():
            if known & _WANTED and known & _MADE and not known & _LISTED:
                found.problems.add("index_lacks", key)


def _foreign_folders(task: DatasetToVerify, found: _Findings) -> Iterator[str]:
    """Yield the folders that no row knows."""
    known = _OWN_FOLDERS | found.folders | {pattern.partition("/")[0] for pattern in task.kept_files}
    with os.scandir(task.dataset_dir) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in known or not entry.is_dir():
                continue
            of_a_sample = task.own_folders and found.known.get(entry.name, 0) & _SEEN
            # A folder with a state of its own is a dataset inside this one.
            if not of_a_sample and not layout.state_dir(Path(entry.path)).is_dir():
                yield entry.name


def _say(task: DatasetToVerify, found: _Findings, report: Path) -> None:
    for stage, counts in found.stages.items():
        words = ", ".join(f"{count:,} {what}" for what, count in counts.items() if isinstance(count, int))
        log.info("[%s] %s: %s", task.label, stage, words)
    for what, problems in (("problems", found.problems), ("remarks", found.remarks)):
        words = ", ".join(f"{count:,} {problem}" for problem, count in problems.counts.most_common())
        log.info("[%s] %s: %s", task.label, what, words or "none")
    log.info("[%s] written to %s", task.label, report)


def check_verification(report: Path, mark: Path, *, system: str) -> None:
    """Write the mark, or fail.

    Args:
        report: a dataset's `verification.json`.
        mark: written when no problem was found.
        system: name of the system, for the mend.

    Raises:
        JobError: problems were found; names the commonest and what mends them.
    """
    found = json.loads(report.read_text(encoding="utf-8"))
    counts = Counter({problem: held["count"] for problem, held in found["problems"].items()})
    if not counts:
        atomic_files.write_json(mark, {"stages": found["stages"]})
        return
    lines = [
        f"{count:,} {problem}, such as {found['problems'][problem]['examples'][0]} "
        f"(mend: {_MENDS[problem].format(system=system)})"
        for problem, count in counts.most_common(_NAMED)
    ]
    raise JobError(
        f"{found['dataset']}: {counts.total():,} problems: {'; '.join(lines)}. {report} names the first of each kind. "
        "Nothing was changed"
    )
