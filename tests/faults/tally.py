"""What tests of faults tell of: how often a fault was tried, and what it cost. `page` shows it.

The environment variable POLYMILL_TALLY names the file that the lines go to; without it nothing is told.
"""

import json
import os
from datetime import UTC, datetime
from typing import Any

from tests.bench.run import machine

COMMAND_KILLED = "the `snakemake` command and all its processes killed by SIGKILL"
KILL_POINTS = "a run killed at a rename, a removal, a row or a flush, counted over all its processes"


def tell(
    fault: str, *, systems: str, tried: int, lost: int = 0, doubled: int = 0, wrong: int = 0, note: str = ""
) -> None:
    """Say at the end of a test, after its asserts, what it tried.

    Args:
        fault: a short plain sentence, such as "a shard job killed by SIGKILL at a random moment". Those from SLURM
            begin with "SLURM: ", those of GPUs with "GPU: ".
        systems: that it was tried on, such as "clip4mc, pose".
        tried: how often.
        lost: samples that were missing in the end, from the files, the record or the index.
        doubled: samples that were there twice, or made once more though they were finished.
        wrong: samples with other bytes than those of an undisturbed run, or seen half-written.
        note: a sentence to stand under the table.
    """
    host = machine()
    _append(
        {
            "test": _current_test(),
            "fault": fault,
            "systems": systems,
            "tried": tried,
            "lost": lost,
            "doubled": doubled,
            "wrong": wrong,
            "note": note,
            "made": f"{datetime.now(UTC).date()}; {host['cpu']}, {host['cores']} cores, {host['ram_gib']} GiB",
        }
    )


def tell_ran(test: str) -> None:
    """Say that a test ran: what it told before is not true any more, whether or not it tells something again."""
    _append({"ran": test})


def _append(line: dict[str, Any]) -> None:
    if path := os.environ.get("POLYMILL_TALLY"):
        with open(path, "a", encoding="utf-8") as file:  # one write: the lines of tests at work beside it stay whole
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _current_test() -> str:
    """As pytest names it: `tests/faults/test_kills.py::test_name[case]`."""
    return os.environ["PYTEST_CURRENT_TEST"].rpartition(" (")[0]
