"""A folder in which the `snakemake` command runs jobs that hold GPUs; they are stood in for."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.fake_gpus import STAND_INS
from tests.gpu_events import Held, read
from tests.snakemake_run import BIN, ROOT

UUIDS = ["GPU-aa10", "GPU-aa20", "GPU-bb30", "GPU-cc40"]


@dataclass
class GpuPlace:
    """A folder for one run.

    Attributes:
        folder: an existing one.
        jobs: by name, the GPUs that it takes and how many jobs share one.
        n: GPUs of the machine.
        gpus: of the configuration.
    """

    folder: Path
    jobs: dict[str, tuple[int, int]]
    n: int = 4
    gpus: Any = "auto"
    variables: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """The command, to be run in the folder with `environment`."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump({"gpus": self.gpus}))
        snakefile = ROOT / "tests" / "gpu_jobs" / "Snakefile"
        return [str(BIN / "snakemake"), "-s", str(snakefile), "--configfile", "config.yaml", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """What gives it GPUs and jobs, without what this process sees."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CUDA", "SLURM", "PYTEST"))}
        return {
            **clean,
            "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(STAND_INS)]),
            "POLYMILL_FAKE_GPUS": ",".join(UUIDS[: self.n]),
            "POLYMILL_GPU_JOBS": json.dumps(self.jobs),
            "POLYMILL_GPU_LOCKS_AT": str(self.folder / "locks"),
            **self.variables,
        }

    def told(self, job: str) -> dict[str, Any]:
        """What a job that has ended said."""
        found: dict[str, Any] = json.loads((self.folder / f"{job}.json").read_text())
        return found

    def held(self) -> list[Held]:
        """When which device was held."""
        return read(self.folder / "log")
