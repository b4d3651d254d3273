"""The pickle of one recording's embedding."""

from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import PolymillError
from scripts.shared.safe_pickle import UnsafePickleError, dumps, loads


class EmbeddingFileError(PolymillError):
    """A file does not hold the embedding of a recording."""


def embedding_pickle(
    embedding: NDArray[np.float32],
    *,
    audio_file: str,
    relative_path: str,
    duration: float,
    sample_rate: int,
    model: str,
    frontend: Mapping[str, str | int],
    parts: int = 1,
) -> bytes:
    """Pickle a recording's embedding with what it is of, by protocol 4; equal values give equal bytes.

    Args:
        embedding: (D,) float32, as the model gives it.
        audio_file: path of the recording.
        relative_path: of the recording in its collection, with suffix.
        duration: of the recording, in seconds.
        sample_rate: of the recording, in Hz.
        model: name and digest of the model.
        frontend: what made the features: `window`, `scale`, `resampler`, `channel`, `decoder`.
        parts: number of parts whose unit embeddings the embedding is the mean of; told where there are several.
    """
    return dumps(
        {
            "embedding": embedding,
            "audio_file": audio_file,
            "relative_path": relative_path,
            "filename": PurePosixPath(relative_path).name,
            "duration": duration,
            "sample_rate": sample_rate,
            "embedding_dim": len(embedding),
            "model": model,
            "frontend": dict(frontend),
            **({"parts": parts} if parts > 1 else {}),
        }
    )


def read_embedding(path: Path) -> dict[str, Any]:
    """Read the pickle of a recording's embedding, also one that other programs wrote.

    Args:
        path: the pickle.

    Returns:
        Its dict; `checked_embedding` says what holds of it.

    Raises:
        EmbeddingFileError: the file cannot be read, holds what is not safe to load, or is no such pickle.
    """
    try:
        value = loads(path.read_bytes())
    except OSError as error:
        raise EmbeddingFileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnsafePickleError as error:
        raise EmbeddingFileError(f"{path}: {error}") from error
    return checked_embedding(value, str(path))


def checked_embedding(value: Any, where: str) -> dict[str, Any]:
    """Check what a pickle of an embedding holds.

    Args:
        value: of the pickle.
        where: what messages call it.

    Returns:
        The dict: `embedding` is float32 (D,), finite and not all zero; `relative_path` is a text; `model`, `duration`
        and the others are there only if the file has them, and of their types.

    Raises:
        EmbeddingFileError: it is something else; the text names the key.
    """
    if not isinstance(value, dict):
        raise EmbeddingFileError(f"{where}: holds a {type(value).__name__}, not the dict of an embedding")
    for key in ("embedding", "relative_path"):
        if key not in value:
            raise EmbeddingFileError(f"{where}: has no '{key}': is it the pickle of an embedding?")
    for key, kinds in _KINDS.items():
        if key in value and (not isinstance(value[key], kinds) or isinstance(value[key], bool)):
            raise EmbeddingFileError(f"{where}: '{key}' is {value[key]!r:.60}, not {_WORDS[kinds]}")
    if "duration" in value and not 0 <= value["duration"] < _LONGEST_S:
        raise EmbeddingFileError(f"{where}: 'duration' is {value['duration']!r:.60}, not a length in seconds")
    embedding = value["embedding"]
    if (
        not isinstance(embedding, np.ndarray)
        or embedding.dtype.kind != "f"
        or embedding.ndim != 1
        or not embedding.size
    ):
        shown = f"{embedding.dtype} {embedding.shape}" if isinstance(embedding, np.ndarray) else f"{embedding!r:.60}"
        raise EmbeddingFileError(f"{where}: 'embedding' is {shown}, not a float32 array of one dimension")
    with np.errstate(over="ignore"):
        embedding = embedding.astype(np.float32)
    if not np.isfinite(embedding).all() or not embedding.any():
        raise EmbeddingFileError(f"{where}: 'embedding' holds NaN, infinity or only zeros; make it again")
    if "embedding_dim" in value and value["embedding_dim"] != embedding.size:
        raise EmbeddingFileError(
            f"{where}: 'embedding_dim' is {value['embedding_dim']}, but the embedding has {embedding.size} numbers"
        )
    return {**value, "embedding": embedding}


_LONGEST_S = 1e9
_TEXT: tuple[type, ...] = (str,)
_NUMBER: tuple[type, ...] = (Real,)  # numpy's too, which other programs write
_WHOLE: tuple[type, ...] = (Integral,)
_WORDS = {_TEXT: "a text", _NUMBER: "a number", _WHOLE: "a whole number"}
_KINDS: dict[str, tuple[type, ...]] = {
    "relative_path": _TEXT,
    "audio_file": _TEXT,
    "filename": _TEXT,
    "model": _TEXT,
    "duration": _NUMBER,
    "sample_rate": _WHOLE,
    "embedding_dim": _WHOLE,
}
