"""The gate: a dataset of which too much failed does not pass for finished."""

import json
from collections import Counter
from pathlib import Path

from scripts.shared import atomic_files
from scripts.shared.errors import JobError

_FROM_SAMPLES = 20  # fewer say nothing about a fraction
_NAMED = 3


def check_summary(summary_path: Path, mark: Path, *, max_failed_fraction: float) -> None:
    """Write the mark, or fail.

    Args:
        summary_path: the dataset's `summary.json`, with `ok`, `failed` and `errors`.
        mark: written when the dataset passes.
        max_failed_fraction: how much may have failed, from 20 samples up.

    Raises:
        JobError: too much failed; names the commonest errors and where all are listed.
    """
    summary = json.loads(summary_path.read_text(encoding="utf-8"))
    n_failed, n_all = summary["failed"], summary["failed"] + summary["ok"]
    if n_all >= _FROM_SAMPLES and n_failed > max_failed_fraction * n_all:
        errors = Counter(summary["errors"]).most_common(_NAMED)
        commonest = ", ".join(f"{error} ({count:,})" for error, count in errors)
        raise JobError(
            f"{n_failed:,} of {n_all:,} samples failed, more than max_failed_fraction = {max_failed_fraction:g}: "
            f"{commonest}; {summary_path.parent / 'failures.csv'} names each. What was made is kept"
        )
    atomic_files.write_json(mark, {"ok": summary["ok"], "failed": n_failed})
