"""`index.csv`: which files each caption has. Light: who reads it need not load what draws the index's figures."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from scripts.shared import atomic_files
from scripts.shared.errors import JobError

COLUMNS = ("caption", "name", "files", "frames", "frame", "tokens", "cut", "status")
FINISHED = "ok"  # the status
BETWEEN_FILES = " "  # names hold no blank


class Finished(NamedTuple):
    """A caption that has all its files.

    Attributes:
        caption: as the list has it.
        name: what its files are called.
        files: of the stages `generate` and `render`, relative to the dataset's folder.
    """

    caption: str
    name: str
    files: list[str]


def write_index_file(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write the index.

    Args:
        path: of the file.
        rows: by column, in list order; a column that a row lacks stays empty.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_files.write_text(path, text.getvalue())


def read_finished(path: Path) -> list[Finished]:
    """The finished captions of an index, in list order.

    Raises:
        JobError: it cannot be read, or is no such file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Finished(row["caption"], row["name"], row["files"].split(BETWEEN_FILES))
                for row in csv.DictReader(file)
                if row["status"] == FINISHED
            ]
    except (OSError, ValueError, KeyError, AttributeError, csv.Error) as error:
        raise JobError(f"{path}: cannot be read: {error}; delete it and run again") from error
