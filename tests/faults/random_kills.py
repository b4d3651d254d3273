"""SIGKILL at random moments to jobs of the sample systems, and what must hold after each.

A campaign is made of rounds. A round begins with nothing made, or with all made of other sources; kills one attempt
after the other; lets one end; and compares. All that is drawn comes from a generator of the campaign's seed and the
system, so that a round can be repeated; the moments are drawn from the time that an undisturbed attempt takes, and half
of the kills then wait for the next file that comes to its place: such moments are short, and all that could go wrong.
"""

import gc
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from scripts.search.database import open_database
from scripts.shared import layout, ledger, worker_process
from scripts.shared.clip_tokens import ClipTokenizer
from scripts.shared.errors import JobError
from scripts.shared.index_files import read_listed
from scripts.shared.planning.index_plan import plan_file, read_index_plan
from scripts.shared.planning.members import read_members
from scripts.shared.planning.plan_file import read_plan
from scripts.shared.planning.planner import plan_dataset
from scripts.shared.planning.stage import Stage
from tests.faults.forked_jobs import A_DEFECT, children, ended_within, start, status_of
from tests.faults.killed_stages import CHANGED, FRESH, WITHOUT, Killed, due, inside
from tests.snakemake_run import contents, leftovers

LONG_S = 120.0
# Whom a kill meets: the job, all its processes at once, or one worker.
WHOM = ("job", "group", "worker")
_OF_WHOM = (4, 4, 2)
_ORPHANS = 0.15  # of the rounds: an attempt goes on while the next one begins
_AT_A_CHANGE, _AFTER_IT_S, _CHANGE_WITHIN_S = 0.5, 0.002, 0.5  # of the kills: when next a file comes to its place
_TORN = 0.5  # of the kills: the last row is cut off, as a power cut may leave it
_MOST_IN_A_ROW = 8

Line = tuple[str, str, str, str, str]  # a finished sample: stage, key, and what it was made of


@dataclass
class Campaign:
    """Kills one system until there were enough.

    Attributes:
        killed: the system's place.
        folder: for logs and what is asked without a real run.
        seed: of all that is drawn.
        kills: how many so far, by what was met.
        rounds: how many so far.
        torn: rows cut off so far.
    """

    killed: Killed
    folder: Path
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    torn: int = 0

    def __post_init__(self) -> None:
        ClipTokenizer.embedded()  # once here, and not in each copy, where it would take longer than all samples
        with inside(self.killed.here.folder):
            for job, _ in zip(self.killed.jobs, self.killed.stages, strict=True):
                worker_process.load_function(job.named["function"])
        gc.freeze()  # or the copies' collections would touch, and so copy, all that is imported
        self.random = random.Random(f"{self.seed} {self.killed.name}")
        self.log = self.folder / "jobs.log"
        self.lasts_s = {name: self._undisturbed(name) for name in (FRESH, CHANGED)}

    def _undisturbed(self, name: str) -> float:
        """How long an attempt takes, and that its files are those of the `snakemake` command."""
        taken = []
        for _ in range(2):
            self.killed.begin_with(name)
            began = time.monotonic()
            self._end(start(self.killed.run, self.log))
            taken.append(time.monotonic() - began)
            self._check_end()
        return min(taken)

    def run(self, n: int) -> None:
        """Do rounds until there were `n` kills."""
        while self.kills.total() < n:
            self.rounds += 1
            try:
                self._round()
            except AssertionError as error:
                where = f"{self.killed.name}, seed {self.seed}, round {self.rounds}, {self.kills.total()} kills so far"
                raise AssertionError(f"{where}: {error}\n{self.log.read_text(errors='replace')[-3000:]}") from error

    def _round(self) -> None:
        self.log.write_text("")
        self.start = self.random.choice((FRESH, CHANGED))
        self.again: Counter[Line] = Counter()
        self.worker_died = False
        self.killed.begin_with(self.start)
        if self.random.random() < _ORPHANS:
            self._orphan(locks=self.random.random() < 0.5)
        for _ in range(self.random.choice(range(1, _MOST_IN_A_ROW + 1))):
            whom = self.random.choices(WHOM, _OF_WHOM)[0]
            pid = start(self.killed.run, self.log)
            moment = self.random.uniform(0, self._left_s())
            if ended_within(pid, moment):
                self._end(pid)
                break
            if self.random.random() < _AT_A_CHANGE:
                _wait_for_change(self.killed.here.dataset)
                time.sleep(self.random.uniform(0, _AFTER_IT_S))
            self._kill(pid, whom)
            self._look()
        self._finish()
        self._check_end()

    def _left_s(self) -> float:
        """How long the rest lasts, about."""
        with inside(self.killed.here.folder):
            made = sum(rate for rate in map(_part_made, self.killed.stages)) / len(self.killed.jobs)
        return self.lasts_s[self.start] * max(1 - made if self.start == FRESH else 1.0, 0.2)

    def _kill(self, pid: int, whom: str) -> None:
        workers = children(pid)
        if whom == "worker" and workers:
            _signal(self.random.choice(workers))
            self._end(pid)  # it costs a sample at most, which the next attempt makes
            self.worker_died = True
        else:
            whom = "group" if whom == "worker" else whom
            _signal(pid if whom == "job" else -pid)
            status = status_of(pid)
            assert status in (0, -signal.SIGKILL), f"ended with status {status}"
            if status == 0:
                return
            if self.random.random() < _TORN:
                self._tear()
        self.kills[whom] += 1

    def _orphan(self, *, locks: bool) -> None:
        """A job goes on though its run is gone, another run begins, and one or both are killed."""
        self._end(start(self.killed.plan, self.log))
        pids = [start(self.killed.answer, self.log, locks=locks)]
        if not ended_within(pids[0], self.random.uniform(0, self.lasts_s[self.start])):
            pids.append(start(self.killed.run, self.log, locks=locks))
            ended_within(pids[-1], self.random.uniform(0, self.lasts_s[self.start]))
        for pid in self.random.sample(pids, self.random.randint(1, len(pids))):
            if not ended_within(pid, 0):
                _signal(pid if self.random.random() < 0.5 else -pid)
                self.kills["orphan" if locks else "orphan without locks"] += 1
        for pid in pids:
            assert ended_within(pid, LONG_S), "no end"
            # A plan may be replaced under an orphan; and without locks two may be in each other's way.
            assert status_of(pid) in (0, -signal.SIGKILL, JobError.exit_status)
        self.again = Counter(line for line, n in self._lines().items() for _ in range(n - 1))
        self._look()

    def _finish(self) -> None:
        for _ in range(1 + self.worker_died):  # the sample that a worker died of is made by the next
            self._end(start(self.killed.run, self.log))

    def _end(self, pid: int) -> None:
        assert ended_within(pid, LONG_S), "no end"
        status = status_of(pid)
        assert status == 0, f"ended with status {status}" + " (a defect)" * (status == A_DEFECT)

    def _tear(self) -> None:
        """Cut the last row off anywhere, if it is one that need not be on the disk yet."""
        files = [path for path in self.killed.here.state.rglob("*.jsonl")] + [
            path for path in (self.killed.here.dataset / "clips" / ".state").rglob("*.jsonl")
        ]
        if not files:
            return
        last = max(files, key=lambda path: path.stat().st_mtime_ns)
        data = last.read_bytes()
        begin = data.rstrip(b"\n").rfind(b"\n") + 1
        row = ledger.decode_row(data[begin:])
        if row is None or row.get("status") not in ("ok", "failed"):
            return
        os.truncate(last, begin + self.random.randrange(len(data) - begin))
        self.torn += 1

    # What must hold

    def _look(self) -> None:
        """After a kill: what is there is whole, and the record tells the truth."""
        here = self.killed.here
        found = contents(here.dataset, WITHOUT)
        for name, digest in found.items():
            if Path(name).name.startswith(".polymill-"):
                continue
            if self.worker_died and name in self.killed.index_files:
                _parse(here.dataset / name)  # it lists the sample that the worker died of as failed
                continue
            allowed = {self.killed.expected.get(name)}
            if self.start == CHANGED:
                allowed.add(self.killed.strange.get(name))
            assert digest in allowed, f"{name} is half-written, or other"
        with inside(here.folder):
            for stage in self.killed.stages:
                self._look_at(stage, found)

    def _look_at(self, stage: Stage, found: dict[str, str]) -> None:
        prefix = "" if stage.dataset_dir.name != "clips" else "clips/"
        for shard, row in rows_of(stage):
            if row["status"] != "ok":
                continue
            for name, (_, digest) in row["files"].items():
                path = prefix + layout.sample_file(row, name)
                assert found.get(path) == digest, f"{path}: {shard} says ok, but it is other or missing"
        if stage.own_folders:
            for folder in stage.dataset_dir.glob("sample_*"):
                missing = {name for name in stage.files if not (folder / name).exists()}
                assert not missing or f"{prefix}{folder.name}/{stage.files[0]}" not in self.killed.expected, folder
        for path in (stage.stage_work_dir / "plan").glob("*.json"):
            read_plan(path)
        for path in (stage.stage_work_dir / "receipt").glob("*.json"):
            json.loads(path.read_text())
        read_members(layout.members_file(stage.dataset_dir), [])

    def _check_end(self) -> None:
        """After the last attempt: all is as an undisturbed run leaves it, and nothing is to be done."""
        here = self.killed.here
        found = contents(here.dataset, WITHOUT)
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        with inside(here.folder):
            for stage in self.killed.stages:
                plan = plan_dataset(stage, scratch=scratch)
                assert plan.n_to_make == 0, f"{stage.label}: {plan.n_to_make} to make once more"
                assert not due(stage), f"{stage.label}: jobs are due once more"
                self._check_record(stage, found)
        assert not any(scratch.iterdir()), "a plan would change"
        samples = self._samples()
        missing = [name for name in samples if name not in found]
        assert not missing, f"lost: {missing}"
        # What these jobs do not make, such as a figure, is as it was before the round.
        as_before = {name: digest for name, digest in self.killed.strange.items() if name not in samples}
        other = [name for name in found if found[name] not in (self.killed.expected.get(name), as_before.get(name))]
        assert not other, f"wrong: {other}"
        assert leftovers(here.folder) == []
        twice = [line for line, n in (self._lines() - getattr(self, "again", Counter())).items() if n > 1]
        assert not twice, f"doubled: {twice}"

    def _samples(self) -> set[str]:
        """The files of samples, and those of the indexes that are killed here."""
        with inside(self.killed.here.folder):
            made = {
                ("clips/" if stage.dataset_dir.name == "clips" else "") + layout.sample_file(row, name)
                for stage in self.killed.stages
                for _, row in rows_of(stage)
                for name in row.get("files", ())
                if row["status"] == "ok"
            }
        assert made <= self.killed.expected.keys()
        return made

    def _check_record(self, stage: Stage, found: dict[str, str]) -> None:
        keys = Counter(row["key"] for _, row in rows_of(stage))
        doubled = [key for key, n in keys.items() if n > 1]
        assert not doubled, f"doubled, in two shards: {doubled}"
        wanted = {entry.key for entry in stage.read_list()}
        if stage.part:
            wanted &= keys.keys()
        assert keys.keys() == wanted, f"lost from the record: {wanted - keys.keys()}"
        self._look_at(stage, found)
        if stage.index is not None:
            plan = read_index_plan(plan_file(stage.work_dir))
            listed = [key for key, _ in read_listed(plan, lambda row: row["status"])]
            assert Counter(listed) == Counter(wanted), "the index is to list others"

    def _lines(self) -> Counter[Line]:
        """How often each sample stands on record as finished from the same source with the same settings."""
        lines: Counter[Line] = Counter()
        with inside(self.killed.here.folder):
            for stage in self.killed.stages:
                for paths in ledger.list_shards(stage.ledger_dir).values():
                    rows = (ledger.decode_row(line) for path in paths for line in path.read_bytes().splitlines(True))
                    lines.update(
                        (stage.name, row["key"], row["settings"], row["entry"], str(row["source"]))
                        for row in rows
                        if row is not None and row.get("status") == "ok"
                    )
        return lines


def _part_made(stage: Stage) -> float:
    wanted = len(list(stage.read_list()))
    return sum(row["status"] in ("ok", "failed") for _, row in rows_of(stage)) / max(wanted, 1)


def rows_of(stage: Stage) -> Iterator[tuple[str, ledger.Row]]:
    """Every key's last row in each shard that has one."""
    for shard, paths in ledger.list_shards(stage.ledger_dir).items():
        yield from ((shard, row) for row in ledger.read_shard(stage.ledger_dir, shard, paths).rows.values())


def _wait_for_change(folder: Path) -> None:
    """Wait, not for long, until a file comes to a folder, goes, or is replaced there."""
    folders = [top for top, _, _ in os.walk(folder) if ".state" not in top]
    before = [_time_of_change(path) for path in folders]
    until = time.monotonic() + _CHANGE_WITHIN_S
    while [_time_of_change(path) for path in folders] == before and time.monotonic() < until:
        pass


def _time_of_change(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except FileNotFoundError:
        return 0


def _parse(path: Path) -> None:
    """See that a file of an index is whole."""
    if path.suffix == ".db":
        with open_database(path) as database:
            database.vectors()
        return
    if path.suffix == ".png":
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82"), f"{path.name} is half-written"
        return
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        json.loads(text)
    else:
        assert text.endswith("\n"), f"{path} is half-written"


def _signal(pid: int) -> None:
    with suppress(ProcessLookupError):  # it ended meanwhile
        os.kill(pid, signal.SIGKILL)
