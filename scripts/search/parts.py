"""The vectors of a shard in one array, kept beside its ledger so that the index need not open a million files.

A row is known by the digest of the file that it comes from, so an array that is old, or gone, is never wrong: what it
lacks is read from the files.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.search.places import VECTORS
from scripts.search.vectors_file import Vectors, read_vectors
from scripts.shared import atomic_files, layout
from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_file
from scripts.shared.ledger import Row
from scripts.shared.planning.plan_file import PlanHeader

_FIELDS = ("digest", "time", "feature")


class Part:
    """The vectors of a shard's files, by the files' digests.

    Args:
        rows: (n,) with the fields `digest` (16 bytes), `time` (float64, NaN of a picture) and `feature` (float32 (D,));
            those of one file stand together.
    """

    def __init__(self, rows: NDArray[np.void]) -> None:
        self._rows = rows
        digests = np.ascontiguousarray(rows["digest"]).view(np.uint8).reshape(len(rows), rows.dtype["digest"].itemsize)
        begins = np.ones(len(rows), np.bool_)
        begins[1:] = (digests[1:] != digests[:-1]).any(axis=1)
        starts = np.flatnonzero(begins).tolist()
        ends = [*starts[1:], len(rows)]
        self._places = {digests[start].tobytes(): (start, end) for start, end in zip(starts, ends, strict=bool(starts))}

    @property
    def digests(self) -> Iterable[bytes]:
        """Of the files whose vectors it has."""
        return self._places.keys()

    def get(self, digest: bytes) -> Vectors:
        """The vectors of a file.

        Raises:
            KeyError: it is not among them.
        """
        rows = self._rows[slice(*self._places[digest])]
        times = np.array(rows["time"], np.float64)
        return Vectors(np.array(rows["feature"], np.float32), times[~np.isnan(times)])


def part_file(dataset_dir: Path, shard: str) -> Path:
    """Where the array of a shard lies."""
    return layout.state_dir(dataset_dir) / VECTORS / "parts" / f"{shard}.npy"


def read_part(dataset_dir: Path, shard: str) -> Part:
    """The array of a shard, left on the disk until it is asked; empty where there is none that can be used."""
    try:
        found: NDArray[Any] = np.lib.format.open_memmap(part_file(dataset_dir, shard), mode="r")
    except (OSError, ValueError, EOFError):
        return Part(_empty(0, 0))
    is_part = found.ndim == 1 and found.dtype.names == _FIELDS
    return Part(found if is_part else _empty(0, 0))


def write_part(header: PlanHeader, rows: Mapping[str, Row]) -> None:
    """Gather the vectors of a shard's finished assets; see `shard_job.run_shard`.

    Raises:
        JobError: a file does not hold what its row says.
    """
    dataset_dir = Path(header.dataset_dir)
    known = read_part(dataset_dir, header.shard)
    files = sorted(file_of(row) for row in rows.values() if row["status"] == "ok")
    # By digest: copies of one picture have equal files, which stand here once.
    held = {digest: vectors_of(known, dataset_dir, name, digest) for name, digest in files}
    n_rows = sum(len(vectors.features) for vectors in held.values())
    part = _empty(n_rows, next(iter(held.values())).features.shape[1] if held else 0)
    place = 0
    for digest, (features, times) in held.items():
        of_file = part[place : place + len(features)]
        of_file["digest"] = np.void(bytes.fromhex(digest))
        of_file["time"] = times if len(times) else np.nan
        of_file["feature"] = features
        place += len(features)
    path = part_file(dataset_dir, header.shard)
    with atomic_files.open_new(path) as file:
        np.save(file, part)


def file_of(row: Row) -> tuple[str, str]:
    """Path of a finished asset's vectors, relative to the dataset's folder, and the file's digest."""
    ((name, (_, digest)),) = row["files"].items()
    return name, digest


def vectors_of(known: Part | None, dataset_dir: Path, name: str, digest: str) -> Vectors:
    """The vectors of a file: those known by its digest, else those in it.

    Raises:
        JobError: the file does not hold what its row says.
    """
    if known is not None and (key := bytes.fromhex(digest)) in known.digests:
        return known.get(key)
    path = dataset_dir / name
    try:
        is_it = digest_file(path) == digest
    except OSError as error:
        raise JobError(f"{path}: {error.strerror}; run again: it is made again") from error
    if not is_it:
        raise JobError(f"{path}: does not hold what was written; run again with --config verify=digest")
    return read_vectors(path)


def _empty(n: int, dim: int) -> NDArray[np.void]:
    return np.zeros(n, np.dtype([("digest", "V16"), ("time", np.float64), ("feature", np.float32, (dim,))]))
