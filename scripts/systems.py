"""The systems of the house, and what all-system commands (status, doctor, verify, ...) need to know of each.

Light: the Snakefile imports it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.clip4mc.stage import frames_stage
from scripts.shared.planning.stage import Stage


@dataclass(frozen=True)
class System:
    """One system.

    Attributes:
        stages: the stages of a dataset, from the whole configuration and the dataset's name, in the order of the work.
    """

    stages: Callable[[Mapping[str, Any], str], tuple[Stage, ...]]


SYSTEMS = {
    "clip4mc": System(stages=lambda config, dataset: (frames_stage(config, dataset),)),
}
