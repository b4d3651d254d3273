"""A small system for tests of the spine: a text file in, two small files a sample out."""

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.shared import layout
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import canonical_json
from scripts.shared.index_files import read_made, write_failures
from scripts.shared.ledger import Row, list_shards, read_shard
from scripts.shared.planning.index_plan import read_index_plan
from scripts.shared.planning.plan_file import read_header
from scripts.shared.planning.planner import DatasetPlan, plan_dataset
from scripts.shared.planning.stage import PlanOptions, SourceEntry, Stage
from scripts.shared.sample_task import MadeSample, SampleTask, make_files
from scripts.shared.shard_job import run_shard

FILES = ("upper.txt", "count.txt")
FUNCTION = "tests.toy_system:make_sample"
VERSIONS = {"toy": "1"}


def make_sample(task: SampleTask) -> MadeSample:
    return make_files(task, contents)


def contents(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
    try:
        text = task.source.read_text(encoding="utf-8")
    except OSError as error:
        raise SampleError("no_source", f"{task.source.name}: {error.strerror}") from error
    made = expected_contents(text, task.entry["note"], task.settings["repeat"])
    names = task.entry.get("files", made)  # by their own names, or by paths in shared folders
    return dict(zip(names, made.values(), strict=True)), {"letters": len(text)}


def expected_contents(text: str, note: str, repeat: int) -> dict[str, bytes]:
    """What a sample's files must hold."""
    if text.startswith("bad"):
        raise SampleError("bad_text", f"{text} is bad")
    # One size whatever the text: so that only digests and times tell two contents apart.
    return {"upper.txt": (text.upper() * repeat).ljust(64).encode(), "count.txt": f"{len(text)} {note}".encode()}


@dataclass
class Toy:
    """A dataset of the toy system as its user sees it: folders, a list and settings.

    Attributes:
        keys: the list, in order; the source of a key is `<key>.txt`.
        notes: what the list says of a key, where it says something.
    """

    root: Path
    keys: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    repeat: int = 1
    shard_size: int = 2
    dataset: str = "toys"
    options: PlanOptions = field(default_factory=PlanOptions)
    chosen: Sequence[int] | None = None

    @property
    def dataset_dir(self) -> Path:
        return self.root / "results" / "toy" / self.dataset

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def work(self) -> Path:
        return self.root / "work" / "toy" / self.dataset

    @property
    def state(self) -> Path:
        return layout.state_dir(self.dataset_dir)

    @property
    def ledger_dir(self) -> Path:
        return layout.ledger_dir(self.dataset_dir, "words")

    def source(self, key: str) -> Path:
        return self.sources / f"{key}.txt"

    def files(self, key: str) -> dict[str, str]:
        """Where the files of a sample belong, relative to the dataset's folder, by the names of `FILES`."""
        return {name: f"{key}/{name}" for name in FILES}

    def held(self, key: str) -> dict[str, bytes]:
        """What the files of a sample hold, by the names of `FILES`."""
        return {name: (self.dataset_dir / path).read_bytes() for name, path in self.files(key).items()}

    def stage(self, **changes: Any) -> Stage:
        return Stage(
            **{
                "system": "toy",
                "dataset": self.dataset,
                "name": "words",
                "dataset_dir": self.dataset_dir,
                "work_dir": self.work,
                "source_dir": self.sources,
                "source_option": "sources",
                "read_list": lambda: [self._entry(key) for key in self.keys],
                "settings": {"repeat": self.repeat, "format": 1},
                "means": {},
                "files": FILES,
                "bytes_per_sample": 100,
                "shard_size": self.shard_size,
                "sample_timeout_s": 30,
                "choose": lambda keys: range(len(keys)) if self.chosen is None else self.chosen,
                "index": {"kind": "toy"},
                "explain_gone": lambda gone, new: "",  # noqa: ARG005
                "options": self.options,
                **changes,
            }
        )

    def _entry(self, key: str) -> SourceEntry:
        source = f"{key}.txt"
        return SourceEntry(key, source, canonical_json({"source": source, "note": self.notes.get(key, "")}))

    def due(self, plan: DatasetPlan) -> list[str]:
        """The shards whose job Snakemake would start: those without a receipt, which the planner takes away."""
        return [s for s in plan.plans if not layout.receipt_file(self.work / "words", s).exists()]

    def answer(self, plan: DatasetPlan, shard: str, workers: int = 2) -> None:
        receipt = layout.receipt_file(self.work / "words", shard)
        run_shard(plan.plans[shard], receipt, function=FUNCTION, versions=VERSIONS, workers=workers)

    def run(self, workers: int = 2) -> DatasetPlan:
        """Plan and do what is due, as `all_toy` would."""
        plan = plan_dataset(self.stage(), scratch=None)
        for shard in self.due(plan):
            self.answer(plan, shard, workers)
        write_index(plan.index_plan, self.dataset_dir)
        return plan

    def dry_run(self, scratch: Path) -> DatasetPlan:
        scratch.mkdir(parents=True, exist_ok=True)
        return plan_dataset(self.stage(), scratch=scratch)

    def index(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.dataset_dir / "index.json").read_text(encoding="utf-8"))
        return content

    def serial(self, shard: str = "00000") -> str:
        header = read_header(layout.plan_file(self.work / "words", shard))
        assert header is not None
        return header.serial


class SharedToy(Toy):
    """A toy whose samples share folders. The key is the source's path: `alice/a.wav`.

    Its files are `upper/alice/a.txt` and `count/alice/a.txt`, or, where the list has another `alice/a`,
    `upper/alice/a.wav.txt` and so on.
    """

    def source(self, key: str) -> Path:
        return self.sources / key

    def files(self, key: str) -> dict[str, str]:
        stem = key.rpartition(".")[0]
        alone = sum(other.rpartition(".")[0] == stem for other in self.keys) < 2
        return {name: f"{name.removesuffix('.txt')}/{stem if alone else key}.txt" for name in FILES}

    def stage(self, **changes: Any) -> Stage:
        return super().stage(**{"own_folders": False, "files": (), **changes})

    def _entry(self, key: str) -> SourceEntry:
        entry = {"source": key, "note": self.notes.get(key, ""), "files": list(self.files(key).values())}
        return SourceEntry(key, key, canonical_json(entry))


SPOILT = "SPOIL"  # a word with this in it is a failure of the second stage
STAGES = ("words", "pairs", "frames")
_STAGE_FUNCTIONS = {
    "words": "tests.toy_system:make_word",
    "pairs": "tests.toy_system:make_pairs",
    "frames": "tests.toy_system:make_frame",
}


def make_word(task: SampleTask) -> MadeSample:
    """The first stage of `StagedToy`: the source in capitals."""

    def make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
        text = task.source.read_text(encoding="utf-8")
        if text.startswith("bad"):
            raise SampleError("bad_text", f"{text} is bad")
        return {task.entry["files"][0]: f"{text.upper()}{task.settings['mark']}".encode()}, {}

    return make_files(task, make)


def make_pairs(tasks: list[SampleTask]) -> list[MadeSample | SampleError]:
    """The second: the word twice, of some words at once. Some words are too much for it."""
    words = {task.key: task.source.read_text(encoding="utf-8") for task in tasks if task.source.exists()}
    if any("KILL" in word for word in words.values()):
        os.kill(os.getpid(), signal.SIGKILL)
    if any("HANG" in word for word in words.values()):
        time.sleep(1000)
    if any("RAISE" in word for word in words.values()):
        raise ZeroDivisionError("by zero")

    def make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
        pair = f"{words[task.key] * 2}{task.settings['mark']}"
        return dict(zip(task.entry["files"], (pair.encode(), json.dumps(pair).encode()), strict=True)), {}

    def made(task: SampleTask) -> MadeSample | SampleError:
        if SPOILT in words.get(task.key, ""):
            return SampleError("spoilt", "the word is spoilt")
        if task.key not in words:
            return SampleError("no_source", f"{task.source.name} is gone")
        return make_files(task, make)

    return [made(task) for task in tasks]


def make_frame(task: SampleTask) -> MadeSample:
    """The third: the pair in brackets."""

    def make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
        pair = task.source.read_text(encoding="utf-8")
        return {task.entry["files"][0]: f"[{pair}]{task.settings['mark']}".encode()}, {}

    return make_files(task, make)


def in_fours(_means: dict[str, Any], tasks: list[SampleTask]) -> list[list[SampleTask]]:
    """How the second stage groups its samples."""
    return [tasks[start : start + 4] for start in range(0, len(tasks), 4)]


@dataclass
class StagedToy(Toy):
    """A toy of three stages, each of which works on what the one before it made, in folders that all samples share.

    `words/a.txt`, from it `pairs/a.txt` and `pairs/a.json`, and from these `pairs/a.png`.

    Attributes:
        marks: stands at the end of what a stage writes, by stage.
        formats: changes no bytes, by stage.
        ruled_out: the keys that the list itself rules out.
    """

    marks: dict[str, str] = field(default_factory=lambda: dict.fromkeys(STAGES, ""))
    formats: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 1))
    ruled_out: set[str] = field(default_factory=set)

    def files_of(self, name: str, key: str) -> list[str]:
        return {
            "words": [f"words/{key}.txt"],
            "pairs": [f"pairs/{key}.txt", f"pairs/{key}.json"],
            "frames": [f"pairs/{key}.png"],
        }[name]

    def stages(self) -> tuple[Stage, ...]:
        return tuple(self._stage(name, upstream) for name, upstream in zip(STAGES, ("", *STAGES), strict=False))

    def stage_named(self, name: str) -> Stage:
        return self.stages()[STAGES.index(name)]

    def _stage(self, name: str, upstream: str) -> Stage:
        return self.stage(
            name=name,
            upstream=upstream,
            source_dir=self.dataset_dir if upstream else self.sources,
            read_list=lambda: [self._entry_of(name, upstream, key) for key in self.keys],
            settings={"mark": self.marks[name], "format": self.formats[name]},
            files=(),
            own_folders=False,
            index={"kind": "toy"} if name == STAGES[-1] else None,
            title=f"toy {self.dataset}, {name}",
        )

    def _entry_of(self, name: str, upstream: str, key: str) -> SourceEntry:
        source = self.files_of(upstream, key)[0] if upstream else f"{key}.txt"
        entry: dict[str, Any] = {"source": source, "files": self.files_of(name, key)}
        if key in self.ruled_out:
            entry["error"] = ["ruled_out", "not this one"]
        return SourceEntry(key, source, canonical_json(entry))

    def rows(self, name: str) -> dict[str, Row]:
        folder = layout.ledger_dir(self.dataset_dir, name)
        return {key: row for shard in list_shards(folder) for key, row in read_shard(folder, shard).rows.items()}

    def answer_stage(self, name: str, plan: Path, receipt: Path | None, workers: int = 2, **named: Any) -> None:
        group = in_fours if name == "pairs" else None
        run_shard(
            plan, receipt, function=_STAGE_FUNCTIONS[name], versions=VERSIONS, workers=workers, group=group, **named
        )

    def run_stages(self, names: Sequence[str] = STAGES, *, workers: int = 2) -> dict[str, list[str]]:
        """Plan and do what is due, as Snakemake would; the keys that each stage tried to make.

        All is planned before anything is made. A job also runs where the job before it ran.
        """
        plans = {name: plan_dataset(self.stage_named(name), scratch=None) for name in names}
        tried: dict[str, list[str]] = {}
        ran: set[str] = set()
        for name, plan in plans.items():
            folder = layout.ledger_dir(self.dataset_dir, name)
            before = {path for paths in list_shards(folder).values() for path in paths}
            for shard, path in plan.plans.items():
                receipt = layout.receipt_file(self.work / name, shard)
                if shard in ran or not receipt.exists():
                    receipt.unlink(missing_ok=True)
                    self.answer_stage(name, path, receipt, workers)
                    ran.add(shard)
            new = {
                shard: [path for path in paths if path not in before] for shard, paths in list_shards(folder).items()
            }
            tried[name] = sorted(key for shard, paths in new.items() for key in read_shard(folder, shard, paths).rows)
        if STAGES[-1] in names:
            write_index(plans[STAGES[-1]].index_plan, self.dataset_dir)
        return tried

    def expected(self, key: str) -> dict[str, str]:
        """What the files of a sample must hold, by their paths."""
        word = self.source(key).read_text().upper() + self.marks["words"]
        pair = word * 2 + self.marks["pairs"]
        held = (word, pair, json.dumps(pair), f"[{pair}]{self.marks['frames']}")
        return dict(zip([path for name in STAGES for path in self.files_of(name, key)], held, strict=True))

    def found(self) -> dict[str, str]:
        """What all files of samples hold, by their paths."""
        paths = [path for folder in ("words", "pairs") for path in (self.dataset_dir / folder).glob("*")]
        return {str(path.relative_to(self.dataset_dir)): path.read_text() for path in paths}


def write_index(plan_path: Path, folder: Path) -> None:
    made, failed = read_made(read_index_plan(plan_path), lambda row: row)
    (folder / "index.json").write_text(json.dumps({"made": list(made), "failed": [failure.key for failure in failed]}))
    write_failures(folder / "failures.csv", failed)
