"""The index of a dataset, `assets.db`: written whole by the rule `search_index`, read by the server.

Equal content gives equal bytes. Nobody writes into a database that is in its place: a new one takes its place.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scripts.shared import atomic_files
from scripts.shared.errors import JobError

VERSION = 1
IMAGE, VIDEO = "image", "video"
OK, FAILED = "ok", "failed"
DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
META = (
    *("schema_version", "dataset", "encoder", "model", "model_identity", "tokenizer_identity", "dim", "dtype"),
    *("frame_interval", "min_score", "n_assets", "n_vectors"),
)
_ID_BITS = 52  # whole numbers that JavaScript holds exactly go up to 53

SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folder (name TEXT PRIMARY KEY, path TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE asset (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('image', 'video')),
    size INTEGER,
    mtime_ns INTEGER,
    sha1 TEXT,
    width INTEGER,
    height INTEGER,
    duration REAL,
    status TEXT NOT NULL CHECK (status IN ('ok', 'failed')),
    error TEXT,
    message TEXT
);
CREATE TABLE vector (
    id INTEGER PRIMARY KEY,
    asset_id INTEGER NOT NULL REFERENCES asset (id) ON DELETE CASCADE,
    frame_time REAL,
    feat BLOB NOT NULL
);
"""


@dataclass(frozen=True)
class Asset:
    """One picture or video, as the table `asset` has it.

    Attributes:
        id: `asset_id` of its path.
        path: name of its folder, a slash, and its path below that folder.
        kind: "image" or "video".
        size: of the file in bytes; like all that follows None where it is not known.
        mtime_ns: its time of last change, in nanoseconds.
        sha1: of its bytes, 40 hexadecimal digits.
        width, height: pixels, as it is shown.
        duration: of a video, in seconds.
        status: "ok", or "failed" where it has no vectors.
        error, message: class of the failure, and one line for the user.
    """

    id: int
    path: str
    kind: Literal["image", "video"]
    size: int | None = None
    mtime_ns: int | None = None
    sha1: str | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    status: Literal["ok", "failed"] = "ok"
    error: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class AssetVectors:
    """The vectors of one asset.

    Attributes:
        asset_id: whose they are.
        features: (n, D) float32 unit rows: one of a picture, one a frame of a video.
        times: (n,) float64, when each frame is shown, in seconds, ascending; (0,) of a picture.
    """

    asset_id: int
    features: NDArray[np.float32]
    times: NDArray[np.float64]


def asset_id(path: str) -> int:
    """The id of an asset: the first 52 bits of blake2b of its path; the same in every index."""
    digest = blake2b(path.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest) >> (64 - _ID_BITS)


def write_database(
    path: Path,
    meta: Mapping[str, Any],
    folders: Mapping[str, str],
    assets: Iterable[Asset],
    vectors: Iterable[AssetVectors],
) -> None:
    """Put a whole index at `path`, in place of an older one.

    Args:
        path: the database.
        meta: of `META` all but `schema_version`, `n_assets` and `n_vectors`, which are counted here; `dtype` says how
            vectors are stored.
        folders: as configured, by name.
        assets: in list order.
        vectors: of the assets with status "ok", in the same order.

    Raises:
        JobError: two paths have one id, a vector is none of `dim` numbers of unit length, or `meta` lacks a key.
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files.open_new(path) as file, closing(sqlite3.connect(file.name, isolation_level=None)) as database:
        # No journal beside a file that nobody else sees; it is flushed when whole.
        for pragma in ("page_size = 16384", "journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
            database.execute(f"PRAGMA {pragma}")
        database.executescript(SCHEMA)
        database.execute("BEGIN")
        database.executemany("INSERT INTO folder VALUES (?, ?)", sorted(folders.items()))
        n_assets = _write_assets(database, assets)
        n_vectors = _write_vectors(database, vectors, int(meta["dim"]), DTYPES[meta["dtype"]])
        counted = {"schema_version": VERSION, "n_assets": n_assets, "n_vectors": n_vectors}
        _write_meta(database, {**meta, **counted})
        database.execute("COMMIT")


def _write_assets(database: sqlite3.Connection, assets: Iterable[Asset]) -> int:
    count = 0
    places = ", ".join("?" * len(fields(Asset)))
    for asset in assets:
        try:
            database.execute(f"INSERT INTO asset VALUES ({places})", astuple(asset))  # noqa: S608 - question marks
        except sqlite3.IntegrityError as error:
            there = database.execute("SELECT path FROM asset WHERE id = ?", (asset.id,)).fetchone()
            other = f"{there[0]} has its id ({asset.id}): rename one of the two" if there else str(error)
            raise JobError(f"{asset.path}: cannot be in the index: {other}") from error
        count += 1
    return count


def _write_vectors(
    database: sqlite3.Connection, vectors: Iterable[AssetVectors], dim: int, dtype: np.dtype[Any]
) -> int:
    count = 0
    for of in vectors:
        lengths = np.linalg.norm(of.features, axis=1)
        if of.features.shape[1:] != (dim,) or not np.allclose(lengths, 1, atol=1e-3):
            raise JobError(f"asset {of.asset_id}: its vectors are no unit vectors of {dim} numbers; index it again")
        stored = of.features.astype(dtype)
        times = of.times.tolist() if len(of.times) else [None] * len(stored)
        rows = ((of.asset_id, time, row.tobytes()) for time, row in zip(times, stored, strict=True))
        database.executemany("INSERT INTO vector (asset_id, frame_time, feat) VALUES (?, ?, ?)", rows)
        count += len(stored)
    return count


def _write_meta(database: sqlite3.Connection, meta: Mapping[str, Any]) -> None:
    missing = [key for key in META if key not in meta]
    if missing:
        raise JobError(f"the index lacks {', '.join(missing)}")
    database.executemany("INSERT INTO meta VALUES (?, ?)", sorted((key, str(meta[key])) for key in META))


class Database:
    """An index that is open for reading; see `open_database`.

    Attributes:
        path: the file.
        meta: all of the table `meta`, as texts.
        folders: as configured, by name.
        dim: D, numbers of a vector.
        dtype: as vectors are stored.
        n_assets, n_vectors: rows.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection = path, connection
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version != VERSION:
            raise JobError(
                f"{path}: is an index of version {version}, not {VERSION}: make it again with the target search_index"
            )
        self.meta: dict[str, str] = dict(connection.execute("SELECT key, value FROM meta"))
        self.folders: dict[str, str] = dict(connection.execute("SELECT name, path FROM folder ORDER BY name"))
        self.dim, self.dtype = int(self.meta["dim"]), DTYPES[self.meta["dtype"]]
        self.n_assets, self.n_vectors = int(self.meta["n_assets"]), int(self.meta["n_vectors"])

    def assets(self) -> Iterator[Asset]:
        """Yield all assets, in the order of the list that was indexed."""
        # By rowid of the table they would come by id; vectors and this order are kept by the list's own.
        names = ", ".join(field.name for field in fields(Asset))
        for row in self._connection.execute(f"SELECT {names} FROM asset ORDER BY path"):  # noqa: S608 - own names
            yield Asset(*row)

    def vectors(self) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float64]]:
        """All vectors in one array.

        Returns:
            (n, D) unit rows as stored; (n,) int64 the asset of each; (n,) float64 the time of each frame in seconds,
            NaN of a picture.

        Raises:
            JobError: a row holds another number of numbers, or there are not as many as `meta` says.
        """
        features = np.empty((self.n_vectors, self.dim), self.dtype)
        ids, times = np.empty(self.n_vectors, np.int64), np.full(self.n_vectors, np.nan)
        width, place = self.dim * self.dtype.itemsize, 0
        flat = features.view(np.uint8).reshape(self.n_vectors, width)
        for asset, time, feat in self._connection.execute("SELECT asset_id, frame_time, feat FROM vector ORDER BY id"):
            if place == self.n_vectors or len(feat) != width:
                raise self._damaged("a vector has another length, or there are more than it says")
            flat[place] = np.frombuffer(feat, np.uint8)
            ids[place] = asset
            if time is not None:
                times[place] = time
            place += 1
        if place != self.n_vectors:
            raise self._damaged(f"it holds {place:,} vectors, not {self.n_vectors:,}")
        return features, ids, times

    def close(self) -> None:
        """Close it; what was read stays."""
        self._connection.close()

    def _damaged(self, what: str) -> JobError:
        return JobError(f"{self.path}: {what}: make it again with the target search_index")


@contextmanager
def open_database(path: Path) -> Iterator[Database]:
    """Open an index for reading. It stays the one that was opened when a new one takes its place.

    Raises:
        JobError: there is none, it is of another version, or it is damaged; names the mend.
    """
    if not path.is_file():
        raise JobError(f"{path}: there is no index yet: make it with the target search_index")
    # immutable: this very file is never written again, so neither locks nor a journal are looked for.
    uri = f"file:{_quoted(os.path.abspath(path))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True, check_same_thread=False)) as connection:
            yield Database(path, connection)
    except (sqlite3.Error, KeyError, ValueError) as error:
        raise JobError(f"{path}: no index that can be read ({error}): make it again with search_index") from error


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
