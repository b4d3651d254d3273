"""A made-up dataset of one system, as large as asked for, and what each command takes on it.

python -m tests.bench.at_scale SYSTEM STEP CONFIG    one step on the dataset that CONFIG describes

SYSTEM is `clip4mc`, `speaker` or `pose`; STEP is `plan` (as a real run does before its first job), `finish`, `index`
or `fail` (one sample of 20).
"""

import importlib
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.shared.config import read_config
from scripts.shared.planning.index_plan import plan_file
from scripts.shared.planning.planner import plan_dataset
from scripts.systems import SYSTEMS
from tests.bench.finished import fail_some
from tests.bench.measured import Measured, run_measured
from tests.bench.table import Cell

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = [
    "samples, command",
    "wall s",
    "CPU s",
    "MiB",
    "files opened",
    "folders listed",
    "files asked about",
    "to make",
]
ABOUT = (
    "Wall and CPU seconds, peak memory in MiB of the largest process, and how often a file is opened, a folder listed "
    "and a file asked about (`stat`); what programs need to start is left out of these counts. `-n` and `run` are the "
    "`snakemake` command with the samples that it says it would make; plan is what a run does before its first job; "
    "index is the work of the index rule's job and of the gate."
)
# By system: the module that makes its samples up, with `NAME`, `write`, `finish_run`, `index` and `change_one`; and the
# target that asks for all its samples and their index.
MADE_UP = {
    "clip4mc": ("tests.bench.made_up", "all_clip4mc"),
    "speaker": ("tests.bench.speaker.made_up", "speaker_embeddings"),
    "pose": ("tests.bench.pose.made_up", "pose_index"),
}


def made_up(system: str) -> Any:
    """The module that makes a system's samples up."""
    return importlib.import_module(MADE_UP[system][0])


def rows(system: str, sizes: Sequence[int]) -> list[list[Cell]]:
    """What each command takes, by size; each size is made in an empty folder that is removed afterwards."""
    found = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            dataset = Dataset(system, size, Path(folder, "data"))
            found += [*dataset.rows_before(), *dataset.rows_after()]
    return found


@dataclass(frozen=True)
class Dataset:
    """A made-up dataset of one system.

    Attributes:
        system: its name.
        size: number of samples.
        folder: where all of it lies; absent before `rows_before`.
    """

    system: str
    size: int
    folder: Path

    def rows_before(self) -> list[list[Cell]]:
        """Write the sources, ask for the plan and make it."""
        made_up(self.system).write(self.folder, self.size)
        return [
            self._row("-n, nothing made", self._snakemake(self._target, "-n")),
            self._row("plan, nothing made", self._step("plan")),
        ]

    def rows_after(self) -> list[list[Cell]]:
        """Finish the dataset and ask for everything."""
        self._step("finish")
        self._snakemake(self._target)  # what is not of the samples, and Snakemake's notes, which a report needs
        status = [sys.executable, "-m", "scripts.upkeep.status", "--configfile", str(self._config)]
        found = [
            self._row("-n, all made", self._snakemake(self._target, "-n")),
            self._row("run, all made", self._snakemake(self._target)),
            self._row("status", run_measured(status, ROOT)),
            self._row("report", self._snakemake(self._target, "--report", "report.html")),
            self._row("verify -n", self._snakemake(f"{self.system}_verify", "-n")),
            self._row("index", self._step("index")),
        ]
        made_up(self.system).change_one(self.folder)
        found.append(self._row("-n, one change", self._snakemake(self._target, "-n")))
        self._step("fail")
        found.append(self._row("index, 5 % failed", self._step("index")))
        return found

    @property
    def _target(self) -> str:
        return MADE_UP[self.system][1]

    @property
    def _config(self) -> Path:
        return self.folder / "config.yaml"

    def _snakemake(self, *arguments: str) -> Measured:
        command = [str(Path(sys.executable).parent / "snakemake"), "-s", str(ROOT / "Snakefile"), *arguments]
        return run_measured([*command, "-c2", "-q", "--configfile", str(self._config)], self.folder)

    def _step(self, name: str) -> Measured:
        # In a process of its own, because who plans holds the dataset until it ends.
        return run_measured([sys.executable, "-m", __name__, self.system, name, str(self._config)], ROOT)

    def _row(self, name: str, measured: Measured) -> list[Cell]:
        return [f"{self.size:,}, {name}", *_cells(measured)]


def _cells(measured: Measured) -> list[Cell]:
    to_make = re.findall(r"made, (?:([0-9,]+) to make|nothing to make)", measured.text)
    return [
        round(measured.wall_s, 1),
        round(measured.cpu_s, 1),
        round(measured.peak_mib),
        measured.opened,
        measured.listed,
        measured.asked,
        f"{sum(int(number.replace(',', '') or 0) for number in to_make):,}" if to_make else None,
    ]


def main(system: str, step: str, config_path: Path) -> None:
    """Take one step."""
    module = made_up(system)
    stages = SYSTEMS[system].stages(read_config(config_path), module.NAME)
    steps: dict[str, Callable[[], object]] = {
        "plan": lambda: [plan_dataset(stage, scratch=None) for stage in stages],
        "finish": lambda: module.finish_run(config_path),
        "index": lambda: module.index(stages[-1], plan_file(stages[-1].work_dir)),
        "fail": lambda: fail_some(stages[0], every=20),
    }
    steps[step]()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
