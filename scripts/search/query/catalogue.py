"""What is known of the assets of an index, in columns: a million take some 100 MB.

Rows of Python objects would take ten times that. All columns are in the order of the vectors, but for the paths, which
lie in alphabetical order: that order breaks ties, and finds a path by halving.
"""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Places = NDArray[np.int32]
Floats = NDArray[np.float32]
Vectors = NDArray[np.float32] | NDArray[np.float16]

_END = b"\0"  # no path holds it
_PATHS_AT_ONCE = 4096


class PathColumn:
    """Paths in alphabetical order (of their UTF-8 bytes), one after the other in one buffer.

    Args:
        paths: ascending, each once.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._spelt = bytearray(_END)
        ends = array("q", [0])
        for path in paths:
            self._spelt += path.encode("utf-8", "surrogatepass") + _END
            ends.append(len(self._spelt) - 1)
        self._ends = np.frombuffer(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, rank: int) -> str:
        return self._bytes(rank, rank + 1).decode("utf-8", "surrogatepass")

    def find(self, path: str) -> int | None:
        """The rank of a path, None where there is no such path."""
        wanted = path.encode("utf-8", "surrogatepass")
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._bytes(middle, middle + 1) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._bytes(low, low + 1) == wanted else None

    def containing(self, text: str) -> Ints:
        """Ranks of the paths with a text in them, (n,) int64 ascending; capitals count as small letters."""
        wanted = text.casefold()
        if not wanted:
            return np.arange(len(self), dtype=np.int64)
        ranks: list[int] = []
        for start in range(0, len(self), _PATHS_AT_ONCE):
            paths = self._bytes(start, min(start + _PATHS_AT_ONCE, len(self))).decode("utf-8", "surrogatepass")
            folded = paths.casefold()
            if wanted in folded:
                ranks += [start + place for place, path in enumerate(folded.split("\0")) if wanted in path]
        return np.array(ranks, dtype=np.int64)

    def _bytes(self, start: int, stop: int) -> bytearray:
        """The paths from one rank to before another."""
        return self._spelt[int(self._ends[start]) + 1 : int(self._ends[stop])]


class Failure(NamedTuple):
    """A file that is in no index: its path, the class of the failure, and the reason in a line."""

    path: str
    error: str
    message: str


@dataclass(frozen=True)
class Catalogue:
    """An index in memory. Assets have numbers from 0, in the order of their vectors.

    Attributes:
        meta: what the database tells of itself, by name.
        folders: the place of each folder by its name.
        ids: (n_assets,) of the assets.
        is_video: (n_assets,) bool.
        mtime_ns: (n_assets,) when the file was changed, ns since 1970.
        size: (n_assets,) bytes.
        width, height: (n_assets,) int32 pixels, 0 where not known.
        duration: (n_assets,) float32 seconds, NaN for pictures.
        rank: (n_assets,) int32 place of each asset's path in alphabetical order.
        by_rank: (n_assets,) int32, the asset at each such place.
        paths: by rank.
        first: (n_assets + 1,) an asset's vectors are those from `first[number]` to before `first[number + 1]`.
        frame_time: (n_vectors,) float32 seconds, NaN for pictures.
        vectors: (n_vectors, dim) float32 or float16, rows of unit length.
        failures: what could not be indexed.
    """

    meta: Mapping[str, str]
    folders: Mapping[str, Path]
    ids: Ints
    is_video: NDArray[np.bool_]
    mtime_ns: Ints
    size: Ints
    width: NDArray[np.int32]
    height: NDArray[np.int32]
    duration: Floats
    rank: Places
    by_rank: Places
    paths: PathColumn
    first: Ints
    frame_time: Floats
    vectors: Vectors
    failures: tuple[Failure, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    @property
    def frame_interval(self) -> float:
        """Seconds from one indexed frame of a video to the next."""
        return float(self.meta["frame_interval"])

    @property
    def min_score(self) -> float | None:
        """The cosine that nearly all matching pairs reach, where it was measured."""
        return float(self.meta["min_score"]) if self.meta["min_score"] else None

    def path(self, number: int) -> str:
        """An asset's path: the folder's name, and the place below it."""
        return self.paths[int(self.rank[number])]

    def file(self, number: int) -> Path:
        """Where an asset's file lies, as the configuration names its folder."""
        folder, _, below = self.path(number).partition("/")
        return self.folders[folder] / below

    def number_of_path(self, path: str) -> int | None:
        """The asset of a path, None where there is none."""
        rank = self.paths.find(path)
        return None if rank is None else int(self.by_rank[rank])

    def number_of_id(self, asset_id: int) -> int | None:
        """The asset of an id, None where there is none."""
        # Ids are in no order; to look at all of a million takes half a millisecond.
        found = np.flatnonzero(self.ids == asset_id)
        return int(found[0]) if len(found) else None

    def rows(self, number: int) -> slice:
        """Where an asset's vectors lie."""
        return slice(int(self.first[number]), int(self.first[number + 1]))

    def nearest_row(self, number: int, time_s: float | None) -> int:
        """The vector of an asset's frame nearest to a time; the first one without a time."""
        rows = self.rows(number)
        if time_s is None or not self.is_video[number]:
            return int(self.first[number])
        return int(self.first[number]) + int(np.abs(self.frame_time[rows] - np.float32(time_s)).argmin())

    def vector(self, row: int) -> Floats:
        """One vector, (dim,) float32."""
        vector: Floats = self.vectors[row].astype(np.float32)
        return vector
