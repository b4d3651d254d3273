"""The good pictures of one split, in the order of their file: ids, and where each stands in the TSV."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scripts.shared import atomic_files
from scripts.shared.errors import JobError


class PictureList(NamedTuple):
    """Good pictures of a split, in file order.

    Attributes:
        image_ids: (n,) int64, each once.
        offsets: (n,) int64, first byte of the picture's line in the TSV.
        lengths: (n,) int64, bytes of the line without its end.
    """

    image_ids: NDArray[np.int64]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]


def write_pictures(path: Path, pictures: PictureList, sha1: NDArray[np.uint8]) -> None:
    """Write the list as `.npz`; equal lists give equal bytes.

    Args:
        path: the file.
        pictures: n of them.
        sha1: (n, 20) of each picture's bytes, which tells pictures that two splits share.
    """
    with atomic_files.open_new(path) as file:
        np.savez(file, allow_pickle=False, **pictures._asdict(), sha1=sha1)


def read_pictures(path: Path) -> PictureList:
    """Read the list that `write_pictures` wrote.

    Raises:
        JobError: the file is absent or damaged.
    """
    pictures = PictureList(*(column.astype(np.int64) for column in _columns(path, PictureList._fields)))
    if len({column.shape for column in pictures}) != 1 or pictures.image_ids.ndim != 1:
        raise JobError(f"{path}: its columns differ in length; remove it and run again: it is made anew")
    return pictures


def read_sha1(path: Path) -> NDArray[np.uint8]:
    """The hashes that `write_pictures` wrote: (n, 20) uint8; errors as of `read_pictures`."""
    (sha1,) = _columns(path, ("sha1",))
    return sha1.astype(np.uint8).reshape(-1, 20)


def _columns(path: Path, names: Sequence[str]) -> list[NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return [arrays[name] for name in names]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise JobError(f"{path}: no list of pictures ({error}); remove it and run again: it is made anew") from error
