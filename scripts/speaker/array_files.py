"""A collection's embeddings as one array, and which recording each row is of."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.shared import atomic_files
from scripts.shared.errors import JobError


class Recording(NamedTuple):
    """One recording of a collection, in its order: its path, its row in the array (None: not embedded), its seconds."""

    relative_path: str
    row: int | None
    duration: float | None = None


@contextmanager
def new_array(path: Path, n: int, dim: int) -> Iterator[NDArray[np.float32]]:
    """Fill a `.npy` file that comes to its place when all went well.

    Args:
        path: `embeddings.npy`.
        n: rows.
        dim: D.

    Yields:
        (n, D) float32 zeros on the disk, to be filled.
    """
    with atomic_files.open_new(path) as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, dim)}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        if n * dim:
            file.truncate(start + 4 * n * dim)
            array = np.memmap(file, np.float32, "r+", start, (n, dim))
            yield array
            array.flush()
        else:
            yield np.zeros((n, dim), np.float32)


def read_array(path: Path) -> NDArray[np.float32]:
    """Open `embeddings.npy` as a memory map.

    Raises:
        JobError: it is no array of embeddings.
    """
    try:
        # Not np.load, which takes what begins like an archive for one.
        array = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise JobError(f"{path}: cannot be read ({error}); remove it and run again: it is made anew") from error
    if array.ndim != 2 or array.dtype != np.float32:
        raise JobError(f"{path}: holds {array.dtype} {array.shape}, not float32 (n, D); remove it and run again")
    return array


def write_tables(recordings: Sequence[Recording], *, table: Path, files: Path) -> None:
    """Write `embeddings.csv`, a line a row of the array, and `files.csv`, a line a recording.

    Args:
        recordings: in the order of the collection; their rows ascend.
        table: `embeddings.csv`: `row,relative_path,duration`; no duration where it is not known.
        files: `files.csv`: `relative_path,row`; no row where a recording has no embedding.
    """
    rows = ((at.row, at.relative_path, _text(at.duration)) for at in recordings if at.row is not None)
    atomic_files.write_text(table, _csv(("row", "relative_path", "duration"), rows))
    listed = ((at.relative_path, "" if at.row is None else at.row) for at in recordings)
    atomic_files.write_text(files, _csv(("relative_path", "row"), listed))


def _text(duration: float | None) -> str:
    return "" if duration is None else f"{duration:.3f}"


def _csv(heads: Sequence[str], rows: Iterator[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return text.getvalue()
