"""SHA-256 of files, and the lines of a `SHA256SUMS` file as `sha256sum -c` reads them."""

import hashlib
import os
from pathlib import Path

_DIGITS = 64


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sum_line(digest: str, path: str) -> bytes:
    """One line.

    Args:
        digest: of the file's content, 64 hexadecimal digits.
        path: of the file, relative to the folder in which `sha256sum -c` will run.
    """
    name = _escaped(path)
    # coreutils' sign for a name with escapes
    return (b"\\" if name != os.fsencode(path) else b"") + digest.encode() + b"  " + name + b"\n"


def read_sums(file: Path) -> dict[bytes, str]:
    """The digests of a sums file by `sum_key` of each path; of none where it is absent.

    Raises:
        OSError: it cannot be read.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    lines = [line.removeprefix(b"\\") for line in lines]
    return {line[_DIGITS + 2 :]: line[:_DIGITS].decode("ascii", "replace") for line in lines if len(line) > _DIGITS}


def sum_key(path: str) -> bytes:
    """The key of a path in `read_sums`."""
    return _escaped(path)


def _escaped(path: str) -> bytes:
    return os.fsencode(path).replace(b"\\", rb"\\").replace(b"\n", rb"\n").replace(b"\r", rb"\r")
