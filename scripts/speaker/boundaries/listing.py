"""Which recording each row of a dataset's embeddings is of, and which recordings have none."""

import csv
from dataclasses import dataclass
from pathlib import Path

from scripts.shared.errors import JobError

_MEND = "remove it and run again: it is made anew"


@dataclass(frozen=True)
class Listing:
    """The recordings of a collection in their order.

    Attributes:
        paths: relative path of each row of the embeddings.
        missing: recordings without an embedding: how many rows stand before each, and its relative path.
    """

    paths: list[str]
    missing: list[tuple[int, str]]


def read_listing(files: Path) -> Listing:
    """Read `files.csv`.

    Raises:
        JobError: it cannot be read, or its rows do not count from 0.
    """
    listing = Listing([], [])
    try:
        with files.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                if line["row"] == "":
                    listing.missing.append((len(listing.paths), line["relative_path"]))
                elif line["row"] == str(len(listing.paths)):
                    listing.paths.append(line["relative_path"])
                else:
                    raise JobError(f"{files}: row {line['row']} follows {len(listing.paths) - 1}; {_MEND}")
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise JobError(f"{files}: no list of recordings with the columns relative_path and row; {_MEND}") from error
    return listing
