"""Pictures and pairs in the official LMDB layout: written so that upstream's code reads it, and read with care.

A folder holds two databases. `pairs`: keys "0", "1", ... give the pickle of (image_id, text_id, text), one for each
picture of each text in the order of the files, and `num_samples` says how many. `imgs`: the decimal image_id gives the
picture in base64, and `num_images` says how many. A value may come from anywhere, so pickles are read with
`safe_pickle`, which runs nothing of them.
"""

import hashlib
import os
import pickle
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import lmdb
import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.data.picture_list import PictureList, read_pictures
from scripts.cnclip.data.texts import read_good_texts
from scripts.cnclip.data.tsv import LARGEST_ID, base64_at, from_base64, open_tsv
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError, JobError, SampleError
from scripts.shared.locks import LockFile
from scripts.shared.safe_pickle import UnsafePickleError, loads

PAIRS, PICTURES = "pairs", "imgs"  # the two databases

_N_PAIRS, _N_PICTURES = b"num_samples", b"num_images"
_MAP_SIZE = 1 << 40  # as upstream has it; the file takes only what it holds
_PAIRS_A_COMMIT = 5000
_PICTURES_A_COMMIT = 1000
_BYTES_A_COMMIT = 256 << 20  # large pictures are committed earlier: a commit is held in memory
_PICKLE_PROTOCOL = 4  # of the official files
_UNWRITTEN_PAGES = 16  # that LMDB may have taken at the file's end and not needed
_SOURCE = "source"  # in an unfinished folder: which lists it is made of


def write_lmdb(tsv: Path, pictures_npz: Path, texts_jsonl: Path, target: Path) -> None:
    """Write the good pictures and pairs of one split.

    What is written grows in `<target>.unfinished` and is renamed when it is whole. A killed job goes on there: the
    number of entries tells where it was, and the bytes come out as if it had never been interrupted.

    Args:
        tsv: the split's pictures.
        pictures_npz: the list of the good ones.
        texts_jsonl: the good texts, with the ids of good pictures only.
        target: the folder to make, such as `lmdb/train`; one that is there is replaced.

    Raises:
        JobError: the TSV was changed since its check, a list is damaged, the disk is full, or another job writes the
            same folder.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    lock = LockFile(unfinished.with_name(f".{unfinished.name}.lock"))
    if not lock.acquire(wait=False):
        raise JobError(f"{target}: {lock.holder()} is writing it; run again when that has ended")
    try:
        _start(unfinished, _digest(pictures_npz, texts_jsonl))
        with _lmdb_errors(unfinished):
            _write_pictures(unfinished / PICTURES, tsv, read_pictures(pictures_npz))
            _write_pairs(unfinished / PAIRS, texts_jsonl)
        (unfinished / _SOURCE).unlink()
        for name in (PAIRS, PICTURES):
            atomic_files.sync_folder(unfinished / name)
        if target.exists():
            shutil.rmtree(target)
        os.replace(unfinished, target)
        atomic_files.sync_folder(target.parent)
    finally:
        lock.path.unlink(missing_ok=True)
        lock.release()


def _digest(*lists: Path) -> str:
    digest = hashlib.sha256()
    for path in lists:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _start(unfinished: Path, source: str) -> None:
    """Keep what an earlier job made of the same lists, remove anything else."""
    noted = unfinished / _SOURCE
    with suppress(OSError):
        if noted.read_text(encoding="ascii") == source:
            return
    if unfinished.exists():
        shutil.rmtree(unfinished)
    for name in (PAIRS, PICTURES):
        (unfinished / name).mkdir(parents=True)
    atomic_files.write_text(noted, source)


@contextmanager
def _lmdb_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except lmdb.CorruptedError as error:
        raise JobError(f"{folder}: damaged ({error}); remove this folder and run again") from error
    except lmdb.Error as error:
        raise JobError(f"{folder}: {error}; run again when mended (is the disk full?)") from error


def _write_pictures(folder: Path, tsv: Path, pictures: PictureList) -> None:
    n, done = len(pictures.image_ids), _entries(folder)
    with open_tsv(tsv) as file:
        for start, stop in _batches(pictures.lengths):
            if stop <= done:
                continue
            rows = zip(*(column[start:stop].tolist() for column in pictures), strict=True)
            _commit(folder, {_key(i): base64_at(file, offset, length, i) for i, offset, length in rows})
    if _entries(folder) == n:
        _commit(folder, {_N_PICTURES: _key(n)})


def _batches(lengths: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Which pictures go together, told by their sizes alone so that a resumed job makes the same commits."""
    start = size = 0
    for position, length in enumerate(lengths.tolist()):
        if position > start and (position - start == _PICTURES_A_COMMIT or size + length > _BYTES_A_COMMIT):
            yield start, position
            start, size = position, 0
        size += length
    if start < len(lengths):
        yield start, len(lengths)


def _write_pairs(folder: Path, texts_jsonl: Path) -> None:
    numbered = enumerate(
        (image_id, text.text_id, text.text) for text in read_good_texts(texts_jsonl) for image_id in text.image_ids
    )
    done = _entries(folder)
    n = 0
    while batch := list(islice(numbered, _PAIRS_A_COMMIT)):
        n = batch[-1][0] + 1
        if n > done:
            _commit(folder, {_key(i): pickle.dumps(pair, protocol=_PICKLE_PROTOCOL) for i, pair in batch})
    if _entries(folder) == n:
        _commit(folder, {_N_PAIRS: _key(n)})


def _key(number: int) -> bytes:
    return str(number).encode("ascii")


def _entries(folder: Path) -> int:
    """How many entries an unfinished database has; one that a full disk kept from even beginning is removed."""
    file = folder / "data.mdb"
    if not file.exists():
        return 0
    try:
        with lmdb.open(str(folder), readonly=True, lock=False, create=False) as database:
            return int(database.stat()["entries"])
    except lmdb.InvalidError:
        file.unlink()
        return 0


def _commit(folder: Path, entries: Mapping[bytes, bytes]) -> None:
    """Add entries in one transaction.

    The database is opened for each: a page that LMDB uses again within one process keeps bytes of its former life,
    and so the file would tell where a job had been interrupted. It has no lock file, since `write_lmdb` holds a lock.
    """
    with lmdb.open(str(folder), map_size=_MAP_SIZE, lock=False) as database, database.begin(write=True) as transaction:
        for key, value in entries.items():
            transaction.put(key, value)


class PairsLmdb:
    """Pairs and pictures of one split, read from the official layout.

    The databases are opened at their first use, so that an instance can be pickled. Being without locks and read-only,
    they serve a forked process as well.

    Args:
        folder: with `pairs` and `imgs`, such as `lmdb/train`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._open: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "_open": {}}

    @property
    def n_pairs(self) -> int:
        """How many pairs there are.

        Raises:
            ConfigError: this is no LMDB of the official layout.
        """
        return self._count(PAIRS, _N_PAIRS)

    @property
    def n_pictures(self) -> int:
        """How many pictures there are; errors as of `n_pairs`."""
        return self._count(PICTURES, _N_PICTURES)

    def pair(self, number: int) -> tuple[int, int, str]:
        """One pair: (image_id, text_id, text).

        Args:
            number: from 0 to `n_pairs` - 1.

        Raises:
            SampleError: `bad_pair`: it is absent, or its pickle holds anything but these three.
            ConfigError: as `n_pairs`.
            JobError: the database is damaged.
        """
        data = self._get(PAIRS, _key(number))
        if data is None:
            raise SampleError("bad_pair", f"{self.folder / PAIRS}: there is no pair {number}")
        try:
            pair = loads(data)
        except UnsafePickleError as error:
            raise SampleError("bad_pair", f"{self.folder / PAIRS}: pair {number}: {error}") from None
        if type(pair) not in (tuple, list) or [type(part) for part in pair] != [int, int, str]:
            raise SampleError("bad_pair", f"{self.folder / PAIRS}: pair {number} is not (image_id, text_id, text)")
        image_id, text_id, text = pair
        if not (0 <= image_id <= LARGEST_ID and 0 <= text_id <= LARGEST_ID):
            raise SampleError("bad_pair", f"{self.folder / PAIRS}: pair {number} has an id out of 0 to {LARGEST_ID}")
        return image_id, text_id, text

    def picture(self, image_id: int) -> bytes:
        """Bytes of a picture file.

        Raises:
            SampleError: `no_such_picture`, or `bad_base64` or `empty_picture`.
            ConfigError: as `n_pairs`.
        """
        return from_base64(self.base64(image_id))

    def base64(self, image_id: int) -> bytes:
        """A picture as it is stored, in base64; errors as of `picture`."""
        data = self._get(PICTURES, _key(image_id))
        if data is None:
            raise SampleError("no_such_picture", f"{self.folder / PICTURES}: there is no picture {image_id}")
        return data

    def image_ids(self) -> Iterator[int]:
        """The ids of all pictures in the order of the database, which is that of the decimal numbers' bytes.

        Raises:
            ConfigError: a key is no id; or as `n_pairs`.
            JobError: the database is damaged.
        """
        with _lmdb_damage(self.folder / PICTURES), self._database(PICTURES).begin() as transaction:
            for key in transaction.cursor().iternext(keys=True, values=False):
                if key == _N_PICTURES:
                    continue
                if not key.isdigit() or len(key) > 19 or int(key) > LARGEST_ID or key != _key(int(key)):
                    raise ConfigError(f"{self.folder / PICTURES}: the key {key[:40]!r} is no id of a picture")
                yield int(key)

    def _count(self, name: str, key: bytes) -> int:
        database, value = self._database(name), self._get(name, key)
        if value is None or not value.isdigit() or len(value) > 19 or int(value) >= database.stat()["entries"]:
            raise ConfigError(f"{self.folder / name}: {key.decode()} is absent or wrong: no LMDB of pairs and pictures")
        if name == PAIRS and int(value) != (n_there := database.stat()["entries"] - 1):
            raise ConfigError(
                f"{self.folder / name}: {key.decode()} says {int(value):,}, and {n_there:,} pairs are there; make the "
                "LMDB again"
            )
        return int(value)

    def _get(self, name: str, key: bytes) -> bytes | None:
        with _lmdb_damage(self.folder / name), self._database(name).begin() as transaction:
            value: bytes | None = transaction.get(key)
            return value

    def _database(self, name: str) -> Any:
        if name not in self._open:
            path = self.folder / name
            try:
                found = (path / "data.mdb").stat()
                key = (found.st_dev, found.st_ino)
                # A process may open a database once only, so that instances share it.
                self._open[name] = _environments[key] = _environments.get(key) or _opened(path)
            except (OSError, lmdb.Error) as error:
                raise ConfigError(
                    f"{path}: cannot be opened ({error}); an LMDB of the official layout is a folder with "
                    f"{PAIRS}/data.mdb and {PICTURES}/data.mdb"
                ) from error
        return self._open[name]


_environments: WeakValueDictionary[tuple[int, int], Any] = WeakValueDictionary()


def _opened(path: Path) -> Any:
    # Many processes read and none writes, so no locks; pictures are read here and there, so no reading ahead.
    database = lmdb.open(str(path), readonly=True, create=False, lock=False, readahead=False, meminit=False)
    size, page = (path / "data.mdb").stat().st_size, int(database.stat()["psize"])
    whole = (database.info()["last_pgno"] + 1) * page
    if size < whole - _UNWRITTEN_PAGES * page:
        # Whoever read there would be killed by the system, without a word.
        raise lmdb.CorruptedError(f"cut off: {size:,} of {whole:,} bytes; copy it again")
    return database


@contextmanager
def _lmdb_damage(folder: Path) -> Iterator[None]:
    """Say which database of somebody else is damaged."""
    try:
        yield
    except lmdb.Error as error:
        raise JobError(f"{folder / 'data.mdb'}: damaged ({error}); copy it again") from error
