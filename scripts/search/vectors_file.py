"""The file of one asset's vectors: one of a picture, one a frame of a video."""

import io
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import JobError


class Vectors(NamedTuple):
    """Vectors of one asset.

    Attributes:
        features: (n, D) float32, unit rows.
        times: (n,) float64, when each frame is shown, in seconds from the first one; (0,) of a picture.
    """

    features: NDArray[np.float32]
    times: NDArray[np.float64]


def vectors_npz(vectors: Vectors) -> bytes:
    """The content of the file; equal vectors give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, features=vectors.features, times=vectors.times)
    return buffer.getvalue()


def parse_vectors(content: bytes) -> Vectors:
    """The vectors of a file's content.

    Raises:
        ValueError: it holds none, or they and their times do not fit together.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found = Vectors(arrays["features"], arrays["times"])
    except (OSError, EOFError, KeyError, BadZipFile) as error:
        raise ValueError(str(error)) from error
    features, times = found
    if features.dtype != np.float32 or features.ndim != 2 or times.dtype != np.float64 or times.ndim != 1:
        raise ValueError(f"features {features.dtype} {features.shape}, times {times.dtype} {times.shape}")
    if not len(features) or len(times) not in (0, len(features)):
        raise ValueError(f"{len(features)} vectors for {len(times)} times")
    return found


def read_vectors(path: Path) -> Vectors:
    """Read the file of one asset.

    Raises:
        JobError: it is absent or damaged.
    """
    try:
        return parse_vectors(path.read_bytes())
    except (OSError, ValueError) as error:
        raise JobError(f"{path}: no vectors of a picture or video ({error}); remove it and run again") from error
