"""Durations of a collection's recordings, and the boundaries of its reference."""

import csv
import json
from array import array
from pathlib import Path

from scripts.shared.errors import JobError


def read_durations(table: Path) -> "array[float]":
    """Read how long the recordings are from `embeddings.csv`.

    Returns:
        Seconds of each row; 0 where none is known.

    Raises:
        JobError: it is no such table.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            return array("d", (float(line["duration"] or 0) for line in csv.DictReader(file)))
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise JobError(f"{table}: no table with a duration ({error!r}); remove it and run again") from error


def reference_boundaries(evaluation: Path) -> tuple[int, ...]:
    """Rows at which the reference's speaker is another than before, from `evaluation.json`.

    Raises:
        JobError: it is no such file.
    """
    try:
        return tuple(json.loads(evaluation.read_text(encoding="utf-8"))["reference_boundaries"][1:-1])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{evaluation}: no evaluation ({error!r}); remove it and run again") from error
