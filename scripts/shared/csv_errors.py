"""What can go wrong with a CSV that a user names, in words with the mend."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.shared.errors import PolymillError
from scripts.shared.text_errors import text_errors


@contextmanager
def csv_errors(path: Path, error: type[PolymillError], question: str) -> Iterator[None]:
    """Turn what a file refuses while it is read as CSV into an error that names it.

    Args:
        path: the file.
        error: the class to raise.
        question: what to ask the user where the file cannot be opened or read.
    """
    with text_errors(path, error, question):
        try:
            yield
        except csv.Error as refused:
            raise error(f"{path}: no CSV: {refused}") from refused
