"""A small system for tests of the spine: a text file in, two small files a sample out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.shared import layout
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import canonical_json
from scripts.shared.index_files import read_made, write_failures
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


def write_index(plan_path: Path, folder: Path) -> None:
    made, failed = read_made(read_index_plan(plan_path), lambda row: row)
    (folder / "index.json").write_text(json.dumps({"made": list(made), "failed": [failure.key for failure in failed]}))
    write_failures(folder / "failures.csv", failed)
