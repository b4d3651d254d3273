"""What the user's process asks of the jobs that verify, prune and back up; see `request_file`."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.shared import layout
from scripts.shared.disk_errors import disk_errors
from scripts.shared.errors import ConfigError, PlanningError
from scripts.shared.planning.index_plan import plan_file
from scripts.shared.planning.made_before import settings_now
from scripts.shared.planning.planner import hold_dataset, link_results
from scripts.shared.planning.plans import PlanMode
from scripts.shared.planning.stage import Stage
from scripts.systems import SYSTEMS
from scripts.upkeep.backup import DatasetToBackUp
from scripts.upkeep.backup_run import RunToBackUp
from scripts.upkeep.folder_apart import check_folder_apart
from scripts.upkeep.prune_plan import check_prune, describe_prune, plan_prune
from scripts.upkeep.request_file import settle_request
from scripts.upkeep.run_status import has_begun, runs_of
from scripts.upkeep.verify import DatasetToVerify, StageToVerify
from scripts.upkeep.verify_run import RunToVerify


class Upkeep:
    """Requests by dataset: each is written once, at the first question, and kept.

    Args:
        config: the whole configuration.
        mode: tells how far this process may go; asked late, because Snakemake does not know before.
    """

    def __init__(self, config: Mapping[str, Any], mode: Callable[[], PlanMode]) -> None:
        self._config, self._mode = config, mode
        self._asked: dict[Path, Path] = {}

    def verify_request(self, system: str, dataset: str) -> Path:
        """The request for the verification of a dataset."""
        return self._request(system, dataset, "verify", self._verification)

    def backup_request(self, system: str, dataset: str) -> Path:
        """The request for a snapshot of a dataset.

        Raises:
            ConfigError: its `backup_dir` cannot be one.
        """
        return self._request(system, dataset, "backup", self._backup)

    def prune_request(self, system: str, dataset: str) -> Path:
        """What is to be removed of a dataset; says so.

        Raises:
            PlanningError: the list cannot be read, or most would go, or another run works on the dataset.
        """
        return self._request(system, dataset, "prune", self._prune)

    def verify_run_request(self, system: str, run: str) -> Path:
        """The request for the verification of a training run."""
        return self._run_request(system, run, "verify", self._run_verification)

    def backup_run_request(self, system: str, run: str) -> Path:
        """The request for a snapshot of a training run.

        Raises:
            ConfigError: the system's `backup_dir` cannot be one.
        """
        return self._run_request(system, run, "backup", self._run_backup)

    def to_verify(self, system: str) -> list[str]:
        """The datasets that hold something to verify; see `_on_record`."""
        return self._on_record(system, "verify")

    def to_prune(self, system: str) -> list[str]:
        """The datasets that hold something of which some may have to go; see `_on_record`."""
        return self._on_record(system, "prune")

    def runs_to_verify(self, system: str) -> list[str]:
        """The training runs that were begun; says of each other that it was not."""
        return self._begun(system, "verify")

    def runs_to_back_up(self, system: str) -> list[str]:
        """The training runs that were begun, where the system has a `backup_dir`."""
        return self._begun(system, "back up") if self._config[system].get("backup_dir") else []

    def to_back_up(self, system: str) -> list[str]:
        """The datasets that are to be backed up; says of each other that it is not.

        Raises:
            ConfigError: there are datasets or training runs, but none of them has a `backup_dir`.
            PlanningError: none of them holds anything.
        """
        found: list[str] = []
        for dataset in self._on_record(system, "back up"):
            if self._config[system]["datasets"][dataset].get("backup_dir"):
                found.append(dataset)
            else:
                _say(f"{system} {dataset}: no backup_dir is configured: no copy is made")
        # That of the system is that of its runs.
        there = self._datasets(system) or self._runs(system)
        if not found and there and not (self._config[system].get("backup_dir") and self._begun(system)):
            raise ConfigError(
                f"{system}: no backup_dir is configured, so there is no copy of anything; name a folder on another "
                "disk, such as --config backup_dir=/mnt/backup"
            )
        return found

    def _on_record(self, system: str, purpose: str) -> list[str]:
        """The datasets that hold something; says why others do not.

        Raises:
            PlanningError: the system has datasets or training runs, but nothing of them is there.
        """
        datasets, runs = self._datasets(system), self._runs(system) if purpose != "prune" else {}
        found = []
        for dataset in datasets:
            stages = self._stages(system, dataset)
            if not stages:
                _say(f"{system} {dataset}: has no samples of its own: nothing to {purpose}")
                continue
            folder = stages[0].dataset_dir
            if layout.state_dir(folder).is_dir():
                found.append(dataset)
            elif folder.is_dir():
                _say(f"{system} {dataset}: {folder} holds nothing that Polymill knows (it has no .state): left alone")
            else:
                _say(f"{system} {dataset}: no {folder}: nothing to {purpose}; all_{system} makes it")
        if not datasets and not runs:
            what = "dataset" if SYSTEMS[system].has_samples else "training run"
            _say(f"{system}: the configuration names no {what}, so there is nothing to {purpose}")
        elif not found and not (runs and self._begun(system)):
            raise PlanningError(f"{system}: no dataset{' or run' if runs else ''} has anything to {purpose}; see above")
        return found

    def _datasets(self, system: str) -> Mapping[str, Any]:
        """The datasets that can have samples."""
        datasets: Mapping[str, Any] = self._config[system]["datasets"]
        return datasets if SYSTEMS[system].has_samples else {}

    def _runs(self, system: str) -> Mapping[str, Path]:
        return runs_of(system, self._config)

    def _begun(self, system: str, purpose: str = "") -> list[str]:
        """The training runs that were begun; with a purpose says of each other that it was not."""
        begun = []
        for run, folder in self._runs(system).items():
            if has_begun(folder):
                begun.append(run)
            elif purpose:
                _say(f"{system} run {run}: never begun: nothing to {purpose}; all_{system} trains it")
        return begun

    def _stages(self, system: str, dataset: str) -> tuple[Stage, ...]:
        return SYSTEMS[system].stages(self._config, dataset)

    def _request(
        self, system: str, dataset: str, purpose: str, asked: Callable[[str, str, tuple[Stage, ...]], dict[str, Any]]
    ) -> Path:
        stages = self._stages(system, dataset)
        path = stages[0].work_dir / purpose / "request.json"
        mode = self._mode()
        if not mode.plans:
            return path
        if path not in self._asked:
            with disk_errors(stages[0].dataset_dir, PlanningError, label=f"{stages[0].label}: "):
                if mode.scratch is None:
                    link_results(stages[0])
                content = asked(system, dataset, stages)
                self._asked[path] = settle_request(path, content, scratch=mode.scratch)
        return self._asked[path]

    def _run_request(
        self, system: str, run: str, purpose: str, asked: Callable[[str, str, Path], dict[str, Any]]
    ) -> Path:
        path = Path(self._config["work_dir"], system, "runs", run, purpose, "request.json")
        mode = self._mode()
        if mode.plans and path not in self._asked:
            content = asked(system, run, self._runs(system)[run])
            self._asked[path] = settle_request(path, content, scratch=mode.scratch)
        return self._asked.get(path, path)

    def _run_verification(self, system: str, run: str, folder: Path) -> dict[str, Any]:
        return asdict(RunToVerify(label=f"{system} run {run}", system=system, run_dir=str(folder)))

    def _run_backup(self, system: str, run: str, folder: Path) -> dict[str, Any]:
        backup_dir = Path(self._config[system]["backup_dir"])
        check_folder_apart(
            "backup_dir", backup_dir, [Path(self._config["results_dir"]), Path(self._config["work_dir"]), folder]
        )
        task = RunToBackUp(
            label=f"{system} run {run}",
            run_dir=str(folder),
            backup_dir=str(backup_dir),
            folder=str(backup_dir / system / "runs" / run),
            keep=self._config[system]["backup_keep"],
        )
        return asdict(task)

    def _verification(self, system: str, dataset: str, stages: tuple[Stage, ...]) -> dict[str, Any]:
        options, last = self._config[system]["datasets"][dataset], [stage for stage in stages if not stage.part][-1]
        checkers = SYSTEMS[system].checkers
        task = DatasetToVerify(
            label=f"{system} {dataset}",
            system=system,
            dataset_dir=str(last.dataset_dir),
            index_plan=str(plan_file(last.work_dir)),
            stages=[
                StageToVerify(
                    stage.name,
                    settings_now(stage.settings, stage.made_before),
                    # Stages of one kind are told apart behind a dot: `scores.full`.
                    checkers.get(stage.name.partition(".")[0], ""),
                    stage.upstream,
                    str(plan_file(stage.work_dir)) if stage.part else "",
                )
                for stage in stages
            ],
            listed=SYSTEMS[system].listed_folders,
            sheet=SYSTEMS[system].draw_samples,
            means=last.means,
            read_all=options["verify"] == "digest",
            seed=options["seed"],
            own_folders=last.own_folders,
            kept_files=list(SYSTEMS[system].kept_files),
        )
        return asdict(task)

    def _backup(self, system: str, dataset: str, stages: tuple[Stage, ...]) -> dict[str, Any]:
        options, first = self._config[system]["datasets"][dataset], stages[0]
        backup_dir = Path(options["backup_dir"])
        ours = [Path(self._config["results_dir"]), Path(self._config["work_dir"]), first.dataset_dir]
        check_folder_apart("backup_dir", backup_dir, ours)
        task = DatasetToBackUp(
            label=f"{system} {dataset}",
            dataset_dir=str(first.dataset_dir),
            stages=[stage.name for stage in stages],
            backup_dir=str(backup_dir),
            folder=str(backup_dir / system / dataset),
            keep=options["backup_keep"],
            kept_files=list(SYSTEMS[system].kept_files),
        )
        return asdict(task)

    def _prune(self, system: str, dataset: str, stages: tuple[Stage, ...]) -> dict[str, Any]:
        first, dry = stages[0], self._mode().scratch is not None
        if not dry:
            hold_dataset(first)
        plan, counts = plan_prune(stages)
        for line in describe_prune(plan, counts, first, dry=dry):
            _say(line)
        check_prune(plan, counts, prune_most=self._config[system]["datasets"][dataset]["prune_most"])
        return asdict(plan)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")  # stdout belongs to --dag
