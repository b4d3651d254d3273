"""The plans of one Snakemake process: made once, at the first question, and kept."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.shared import layout
from scripts.shared.errors import PlanningError
from scripts.shared.planning import index_plan
from scripts.shared.planning.one_sample import SinglePlan, plan_single
from scripts.shared.planning.plan_file import read_header
from scripts.shared.planning.planner import DatasetPlan, plan_dataset
from scripts.shared.planning.report import describe
from scripts.shared.planning.stage import Stage


@dataclass(frozen=True)
class PlanMode:
    """How far this process may go.

    Attributes:
        plans: False in a job of the run: it uses what the user's process planned.
        scratch: None in a real run; else where stand-ins for changed plans go, and nothing is written.
        cores: cores of the run, 0 where not known.
    """

    plans: bool
    scratch: Path | None
    cores: int


class Plans:
    """Plans by stage.

    Args:
        mode: tells how far this process may go; asked at the first question only, because Snakemake does not know
            before.
    """

    def __init__(self, mode: Callable[[], PlanMode]) -> None:
        self._mode = mode
        self._made: dict[tuple[str, str, str], DatasetPlan] = {}

    def _dataset(self, stage: Stage) -> DatasetPlan:
        name = (stage.system, stage.dataset, stage.name)
        if name not in self._made:
            mode = self._mode()
            plan = plan_dataset(stage, scratch=mode.scratch)
            sys.stderr.write("\n".join(describe(plan, stage, cores=mode.cores)) + "\n")  # stdout belongs to --dag
            self._made[name] = plan
        return self._made[name]

    def shards(self, stage: Stage) -> list[str]:
        """The shards of a stage."""
        if self._mode().plans:
            return list(self._dataset(stage).plans)
        return list(index_plan.read_index_plan(index_plan.plan_file(stage.work_dir)).shards)

    def plan(self, stage: Stage, shard: str) -> Path:
        """The plan file of a shard.

        Raises:
            PlanningError: the dataset has no such shard.
        """
        if not self._mode().plans:
            return layout.plan_file(stage.stage_work_dir, shard)
        plans = self._dataset(stage).plans
        if shard not in plans:
            raise PlanningError(f"{stage.label}: no shard {shard}; there are {', '.join(list(plans)[:5])} ...")
        return plans[shard]

    def means(self, stage: Stage, shard: str) -> dict[str, Any]:
        """What the job of a shard uses and changes no bytes; see `Stage`."""
        if self._mode().plans:
            return self._dataset(stage).means
        header = read_header(layout.plan_file(stage.stage_work_dir, shard))
        return stage.means if header is None else header.means

    def index(self, stage: Stage) -> Path:
        """The plan file of a stage's index."""
        return self._dataset(stage).index_plan if self._mode().plans else index_plan.plan_file(stage.work_dir)

    def single(self, stage: Stage, key: str) -> SinglePlan:
        """The plan of one sample that was asked for by its path.

        Raises:
            PlanningError: the list has no such sample.
        """
        mode = self._mode()
        plan = plan_single(stage, key, scratch=mode.scratch, inner=not mode.plans)
        sys.stderr.writelines(f"{stage.label}: {note}\n" for note in plan.notes)
        return plan
