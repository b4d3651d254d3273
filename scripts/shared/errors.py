"""The errors that users see. Imports nothing of the project.

PolymillError
├── ConfigError      the configuration names something that does not exist or cannot be
├── PlanningError    the plan cannot be made as things stand (sources gone, a second run, ...)
├── JobError         a whole job cannot go on (disk full, plan replaced, ...)
│   └── StoppedError a job ended early because it was asked to
└── SampleError      one sample cannot be made; the others go on
"""

import os
from typing import ClassVar


class PolymillError(Exception):
    """A condition that a user can mend; its text names the file, the field and the mend."""

    exit_status: ClassVar[int] = 1


class ConfigError(PolymillError):
    """The configuration is wrong; nothing was done."""


class PlanningError(PolymillError):
    """No plan can be made; nothing was written."""


class JobError(PolymillError):
    """A shard job cannot go on; the samples made so far are kept."""


class StoppedError(JobError):
    """A job was asked to end before its work was done; the same command goes on with it."""

    exit_status: ClassVar[int] = os.EX_TEMPFAIL  # 75: nothing is wrong, try again


class SampleError(PolymillError):
    """One sample cannot be made.

    Args:
        error: class of the failure as `failures.csv` names it, such as `no_video`.
        message: one line for the user.
    """

    def __init__(self, error: str, message: str) -> None:
        # Both go to `args`, so that the exception survives the pickling between processes.
        super().__init__(error, " ".join(message.split()))

    @property
    def error(self) -> str:
        """Class of the failure, such as `no_video`."""
        return str(self.args[0])

    @property
    def message(self) -> str:
        """One line for the user."""
        return str(self.args[1])

    def __str__(self) -> str:
        return f"{self.error}: {self.message}"
