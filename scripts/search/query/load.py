"""Read an `assets.db` into memory, checking all that is read.

The file may be damaged, cut off, of another version, or written in its place by somebody: what is not as it should be
is refused whole, so that the index which serves stays.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.search.database import FAILED, VIDEO, Asset, Database, open_database
from scripts.search.query.catalogue import Catalogue, Failure, Floats, Ints, PathColumn, Places
from scripts.shared.errors import JobError

_ROWS_AT_ONCE = 4096
_UNIT_WITHIN = 5e-3  # of a squared length; rows of 512 halves are within 1e-3
_AGAIN = "make it again with the target search_index"


def load(path: Path) -> Catalogue:
    """Read an index.

    Args:
        path: an `assets.db`; it is only read.

    Raises:
        JobError: there is none, or it is damaged or of another version; names the mend.
    """
    with open_database(path) as database:
        try:
            return _read(database)
        except (TypeError, OverflowError, UnicodeError) as error:  # values of other kinds than the schema's
            raise JobError(f"{path}: no index that can be read ({error}): {_AGAIN}") from error
        except _WrongError as error:
            raise JobError(f"{path}: {error}: {_AGAIN}") from None


class _WrongError(Exception):
    """What is wrong with an index, without its name."""


def _read(database: Database) -> Catalogue:
    vectors, asset_of_row, exact_times = database.vectors()
    times = exact_times.astype(np.float32)
    del exact_times  # what is not needed any more is let go of: at a million assets it counts
    _refuse_odd_vectors(vectors)
    starts = np.flatnonzero(np.diff(asset_of_row)) + 1
    first = np.concatenate([[0] if len(vectors) else [], starts, [len(vectors)]]).astype(np.int64)
    ids = asset_of_row[first[:-1]]
    del asset_of_row
    order = np.argsort(ids, kind="stable").astype(np.int32)
    if len(ids) > 1 and not (np.diff(ids[order]) > 0).all():
        raise _WrongError("the vectors of an asset do not lie together")
    return _Columns(ids, order).read(database, first, times, vectors)


def _refuse_odd_vectors(vectors: NDArray[Any]) -> None:
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        rows = vectors[start : start + _ROWS_AT_ONCE].astype(np.float32, copy=False)
        # Not "is further": a NaN is no nearer.
        if not (np.abs(np.einsum("ij,ij->i", rows, rows) - 1) <= _UNIT_WITHIN).all():
            raise _WrongError(f"a vector after the {start:,}th is not of unit length")


class _Columns:
    """Fills the columns of a catalogue from assets that come in alphabetical order.

    Args:
        ids: (n,) of the assets, in the order of their vectors.
        order: what sorts them.
    """

    def __init__(self, ids: Ints, order: Places) -> None:
        n = len(ids)
        self.ids, self.order, self.sorted = ids, order, ids[order]
        self.is_video = np.zeros(n, dtype=np.bool_)
        self.mtime_ns, self.size = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.width, self.height = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
        self.duration: Floats = np.full(n, np.nan, dtype=np.float32)
        self.rank, self.by_rank = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int32)
        self.failures: list[Failure] = []
        self.n_read = 0

    def read(self, database: Database, first: Ints, times: Floats, vectors: NDArray[Any]) -> Catalogue:
        folders = {name: Path(place) for name, place in database.folders.items()}
        paths = PathColumn(self._paths(database.assets(), folders))
        if self.n_read != len(self.ids):
            raise _WrongError("there are vectors of an asset that is not listed")
        return Catalogue(
            meta=database.meta,
            folders=folders,
            ids=self.ids,
            is_video=self.is_video,
            mtime_ns=self.mtime_ns,
            size=self.size,
            width=self.width,
            height=self.height,
            duration=self.duration,
            rank=self.rank,
            by_rank=self.by_rank,
            paths=paths,
            first=first,
            frame_time=times,
            vectors=vectors,
            failures=tuple(self.failures),
        )

    def _paths(self, assets: Iterator[Asset], folders: dict[str, Path]) -> Iterator[str]:
        while batch := list(islice(assets, _ROWS_AT_ONCE)):
            self.failures += [
                Failure(asset.path, asset.error or "", asset.message or "") for asset in batch if asset.status == FAILED
            ]
            good = [asset for asset in batch if asset.status != FAILED]
            self._take(good)
            for asset in good:
                _refuse_path(asset.path, folders)
                yield asset.path

    def _take(self, assets: list[Asset]) -> None:
        wanted = np.array([asset.id for asset in assets], dtype=np.int64)
        places = np.searchsorted(self.sorted, wanted)
        if (places >= len(self.sorted)).any() or (self.sorted[places] != wanted).any():
            raise _WrongError("a good asset has no vectors")
        numbers = self.order[places]
        self.is_video[numbers] = [asset.kind == VIDEO for asset in assets]
        self.mtime_ns[numbers] = [asset.mtime_ns or 0 for asset in assets]
        self.size[numbers] = [asset.size or 0 for asset in assets]
        self.width[numbers] = [asset.width or 0 for asset in assets]
        self.height[numbers] = [asset.height or 0 for asset in assets]
        self.duration[numbers] = [np.nan if asset.duration is None else asset.duration for asset in assets]
        ranks = np.arange(self.n_read, self.n_read + len(assets))
        self.rank[numbers], self.by_rank[ranks] = ranks, numbers
        self.n_read += len(assets)


def _refuse_path(path: str, folders: dict[str, Path]) -> None:
    folder, _, below = path.partition("/")
    if folder not in folders or "\0" in path or not below or {"", ".", ".."} & set(below.split("/")):
        raise _WrongError(f"the path {path!r} lies in none of its folders")
