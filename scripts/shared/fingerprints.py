"""Short digests that say whether two things are the same."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from scripts.shared.errors import ConfigError

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))  # made once: making one takes longer than a value


class SourceStat(NamedTuple):
    """What a source file looked like: size in bytes and time of last change in nanoseconds."""

    size: int
    mtime_ns: int


UNSEEN = SourceStat(-1, -1)


def stat_source(path: str | os.PathLike[str]) -> SourceStat:
    """Look at a source file; `UNSEEN` where it cannot be seen, whatever the reason."""
    try:
        seen = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return UNSEEN
    return SourceStat(seen.st_size, seen.st_mtime_ns)


def digest_bytes(data: bytes) -> str:
    """32 hexadecimal digits of blake2b."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_file(path: Path) -> str:
    """`digest_bytes` of a file's content, read in pieces."""
    with path.open("rb", buffering=0) as file:
        # Into one buffer again and again: a third less CPU than pieces of their own (2 MB files in memory).
        return hashlib.file_digest(file, _new_digest).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits, for what others check as well.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _new_digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def canonical_json(value: Any) -> bytes:
    """A value of plain JSON types as ASCII bytes that do not depend on the order of keys."""
    # ASCII, because a caption may hold a lone surrogate, which UTF-8 cannot.
    return _ENCODER.encode(value).encode("ascii")


def digest_value(value: Any) -> str:
    """`digest_bytes` of `canonical_json`."""
    return digest_bytes(canonical_json(value))
