"""Archives of others, unpacked so that nothing in them reaches beyond one folder."""

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scripts.shared.errors import JobError

# Weights hardly shrink and texts do so by some ten; what grows beyond this is a bomb.
LARGEST_RATIO, LEAST_LIMIT = 100, 64 << 20
_MOST_FILES = 1_000
_LONGEST_PART, _DEEPEST = 120, 3
_PART = re.compile(r"[^\x00-\x1f\x7f/\\:]+")
_PIECE = 1 << 20


class _PlainEntry(tarfile.TarInfo):
    """A header that is taken only where it is a file's: links, devices and extended headers are refused unread."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise JobError(f"{self.name!r} is no plain file; links, folders and devices do not belong in a package")
        entry: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return entry


class _Counted:
    """A stream that ends with an error after so many bytes."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise JobError("unpacks to far more than such a package holds")
        return data


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a `.tar.gz` of plain files in one folder.

    Args:
        archive: anybody's.
        folder: an empty one.

    Returns:
        The one folder in it.

    Raises:
        JobError: it is damaged or holds anything else: links, devices, paths that lead elsewhere, a file twice, or more
            than 100 times its own size. What was unpacked so far is left in `folder`.
    """
    try:
        limit = max(LEAST_LIMIT, LARGEST_RATIO * archive.stat().st_size)
    except OSError as error:
        raise JobError(f"{archive}: {error.strerror}; name the .tar.gz of a package") from error
    tops: set[str] = set()
    try:
        with gzip.open(archive) as stream:
            counted: BinaryIO = _Counted(stream, limit)  # type: ignore[assignment]
            with tarfile.open(fileobj=counted, mode="r|", tarinfo=_PlainEntry) as tar:
                for path, content in _files(tar):
                    tops.add(path.parts[0])
                    _write(folder / path, content)
            while counted.read(_PIECE):  # the end of the stream holds its checksum
                pass
    except JobError as error:
        raise JobError(f"{archive}: {error}") from error
    except (FileExistsError, NotADirectoryError) as error:
        raise JobError(f"{archive}: holds one name for a file and for a folder; make the package again") from error
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise JobError(f"{archive}: is damaged ({error}); make it again or copy it again") from error
    if len(tops) != 1:
        raise JobError(f"{archive}: holds {len(tops)} folders, a package holds one")
    return folder / tops.pop()


def _files(tar: tarfile.TarFile) -> Iterator[tuple[Path, BinaryIO]]:
    seen: set[str] = set()
    for entry in tar:
        parts = entry.name.split("/")
        plain = all(_PART.fullmatch(part) and len(part) <= _LONGEST_PART and part not in (".", "..") for part in parts)
        if not plain or not 2 <= len(parts) <= _DEEPEST:
            raise JobError(f"{entry.name!r} is no path of a package")
        # On disks that do not tell capitals apart two such names are one file.
        if entry.name.casefold() in seen or len(seen) >= _MOST_FILES:
            raise JobError(f"{entry.name!r} stands there twice, or there are more than {_MOST_FILES} files")
        seen.add(entry.name.casefold())
        content = tar.extractfile(entry)
        if content is None:
            raise JobError(f"{entry.name!r} is no plain file")
        yield Path(*parts), content  # type: ignore[misc]


def _write(path: Path, content: BinaryIO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        while piece := content.read(_PIECE):
            file.write(piece)
