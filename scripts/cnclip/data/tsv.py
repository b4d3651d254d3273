r"""Pictures in the official TSV form: `image_id\tbase64`, a line a picture, no header.

Lines are read as a stream and never held two at a time, so that a file of any size can be read; and singly, by the
place that a check noted for them. The base64 may use either alphabet, as upstream's readers accept both.
"""

import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from scripts.shared.errors import ConfigError, JobError, SampleError

MAX_LINE = 128 << 20  # bytes; the picture of a longer line would be larger than 96 MB
LARGEST_ID = 2**63 - 1

_CHUNK = 1 << 20
_BOM = b"\xef\xbb\xbf"  # what some editors put before the first line
_STANDARD = bytes.maketrans(b"-_", b"+/")
_ID = re.compile(rb"[0-9]{1,19}")


class Place(NamedTuple):
    """Where a line stands in its file: its first byte, and its bytes without the line's end."""

    offset: int
    length: int


class TsvLine(NamedTuple):
    """A line of a TSV, or what is wrong with it.

    Attributes:
        offset: the line's first byte in its file.
        length: its bytes, without the line's end.
        image_id: None where the line has no usable one.
        data: the picture file's bytes; empty where `error` is set.
        error: `bad_line`, `bad_id`, `bad_base64`, `empty_picture` or `too_large`; None for a good line.
    """

    offset: int
    length: int
    image_id: int | None
    data: bytes
    error: SampleError | None


def places(path: Path, start: int = 0, stop: int | None = None) -> Iterator[Place]:
    """Find the lines that begin in a range of bytes; empty ones are passed over.

    Args:
        path: the TSV.
        start: first byte.
        stop: first byte after the range; None for the end of the file.

    Raises:
        ConfigError: the file cannot be opened.
    """
    if stop is not None and stop <= start:
        return
    with open_tsv(path) as file:
        begins: int | None = 0  # offset of the line being looked at, None inside one that began before the range
        at = 0
        if start > 0:
            # The byte before the range tells whether a line begins with it.
            at, begins = start - 1, None
            file.seek(at)
        while chunk := file.read(_CHUNK):
            position = 0
            while (end := chunk.find(b"\n", position)) >= 0:
                if begins is not None and at + end > begins:
                    yield Place(begins, at + end - begins)
                begins, position = at + end + 1, end + 1
                if stop is not None and begins >= stop:
                    return
            at += len(chunk)
            if begins is None and stop is not None and at >= stop:
                return  # one line takes the whole range
        if begins is not None and begins < at and (stop is None or begins < stop):
            yield Place(begins, at - begins)


def lines(path: Path, start: int = 0, stop: int | None = None) -> Iterator[TsvLine]:
    """Read the lines that begin in a range of bytes, one at a time.

    Args:
        path: the TSV.
        start: first byte.
        stop: first byte after the range; None for the end of the file.

    Yields:
        Each line; lines of blanks are passed over.

    Raises:
        ConfigError: the file cannot be opened.
    """
    with open_tsv(path) as file:
        for place in places(path, start, stop):
            line = line_at(file, *place)
            if line is not None:
                yield line


def line_at(file: BinaryIO, offset: int, length: int) -> TsvLine | None:
    """Read one line; None where it holds blanks only.

    Args:
        file: an open TSV.
        offset: the line's first byte.
        length: its bytes, without the line's end.
    """
    if length > MAX_LINE:
        error = SampleError("too_large", f"the line has {length:,} bytes, of which {MAX_LINE:,} are allowed")
        return TsvLine(offset, length, _id_of(_read(file, offset, 64).partition(b"\t")[0]), b"", error)
    content = _stripped(file, offset, length)
    if not content:
        return None
    id_text, tab, base64 = content.partition(b"\t")
    base64 = base64.strip()
    image_id = _id_of(id_text)
    try:
        if not tab or b"\t" in base64:
            raise SampleError("bad_line", "not an id, a tab and the picture in base64")
        if image_id is None:
            shown = id_text[:40].decode(errors="backslashreplace")
            raise SampleError("bad_id", f"the id is {shown!r}, not a whole number from 0 to {LARGEST_ID}")
        return TsvLine(offset, length, image_id, from_base64(base64), None)
    except SampleError as refused:
        return TsvLine(offset, length, image_id, b"", refused)


def picture_at(file: BinaryIO, offset: int, length: int, image_id: int | None = None) -> bytes:
    """Bytes of the picture whose line was checked before.

    Args:
        file: the open TSV.
        offset: of its line.
        length: of its line.
        image_id: the line's id, where the caller knows it.

    Raises:
        JobError: no such picture stands there any more: the file was changed.
    """
    return from_base64(base64_at(file, offset, length, image_id))


def base64_at(file: BinaryIO, offset: int, length: int, image_id: int | None = None) -> bytes:
    """As `picture_at`, but in base64 as it stands in the line."""
    id_text, _, base64 = _stripped(file, offset, length).partition(b"\t")
    found, base64 = _id_of(id_text), base64.strip()
    if found is None or not base64 or (image_id is not None and found != image_id):
        wanted = "a picture" if image_id is None else f"picture {image_id}"
        raise JobError(f"{file.name}: {wanted} is no longer at byte {offset}: changed since its check; run again")
    return base64


def from_base64(text: bytes) -> bytes:
    """Decode base64 of the standard or the URL-safe alphabet.

    Raises:
        SampleError: `bad_base64` (upstream passes over characters of no alphabet, and so decodes another picture),
            or `empty_picture`.
    """
    try:
        data = binascii.a2b_base64(text.translate(_STANDARD), strict_mode=True)
    except binascii.Error as error:
        raise SampleError("bad_base64", f"the picture is no base64: {str(error).lower()}") from None
    if not data:
        raise SampleError("empty_picture", "there is no picture after the id")
    return data


def open_tsv(path: Path) -> BinaryIO:
    """Open a TSV to be read.

    Raises:
        ConfigError: it cannot be opened.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; does the dataset's `root` name its folder?") from error


def _read(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    content = file.read(length)
    return content.removeprefix(_BOM) if offset == 0 else content


def _stripped(file: BinaryIO, offset: int, length: int) -> bytes:
    return _read(file, offset, length).strip(b" \r\n")


def _id_of(text: bytes) -> int | None:
    text = text.strip()
    if not _ID.fullmatch(text) or (number := int(text)) > LARGEST_ID:
        return None
    return number
