"""What a file of `torch.save` says of itself, without loading it. Light: planning calls it.

Source: since PyTorch 1.6 such a file is a zip archive with one stored record a tensor, `<name>/data.pkl` that tells
which is which, and the usual list of contents at the end, which has each record's size and CRC32.
"""

import zipfile
from pathlib import Path
from typing import NamedTuple

from scripts.shared.errors import ConfigError

PICKLE = "data.pkl"
_OLD_PICKLE = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # PyTorch's magic number before 1.6, pickled
_ZIP = b"PK\x03\x04"
_HEAD_BYTES = 512
_AGAIN = "download it again"
# Beginnings of files that lie where a checkpoint should, and what to say of them.
_OTHERS = {
    _ZIP: f"is cut off: the archive's list of contents, which stands at its end, is not there; {_AGAIN}",
    _OLD_PICKLE: "was saved in PyTorch's format of before version 1.6; save it again: "
    "`torch.save(torch.load(path, weights_only=True), path)`",
    b"\x1f\x8b": "is packed with gzip; unpack it with gunzip",
    b"<": f"is a web page, such as a download service sends in place of a file; {_AGAIN} and confirm there",
    b"version https://git-lfs": "is only a pointer of Git LFS; fetch the file itself with `git lfs pull`",
}
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError)  # what the list of contents can bring up


class Record(NamedTuple):
    """One entry of the list of contents.

    Attributes:
        name: without the archive's own name, such as `data/17`.
        size: in bytes.
        crc: CRC32 of its bytes.
    """

    name: str
    size: int
    crc: int


def read_records(path: Path) -> list[Record]:
    """The list of contents of a file of `torch.save`, in the file's order; reads nothing else of it.

    Raises:
        ConfigError: it cannot be read, is cut off, or no such file.
    """
    entries = _entries(path)
    for entry in entries:
        if _record(entry).name.startswith("data") and entry.compress_type != zipfile.ZIP_STORED:
            raise ConfigError(f"{path}: was packed again by another program than PyTorch; {_AGAIN}")
    records = list(map(_record, entries))
    if sum(record.name == PICKLE for record in records) != 1:
        raise ConfigError(f"{path}: is a zip archive, but none of torch.save (no {PICKLE} in it); {_AGAIN}")
    return records


def list_records(path: Path) -> list[Record]:
    """As `read_records`, of a program of TorchScript too, whose code is packed.

    Raises:
        ConfigError: it cannot be read, is cut off, or no archive.
    """
    return list(map(_record, _entries(path)))


def is_archive(path: Path) -> bool:
    """Whether a file begins as `torch.save` and `torch.jit.save` begin theirs.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def is_torchscript(path: Path) -> bool:
    """Whether an archive is a program of TorchScript, as OpenAI's files are, and no saved value.

    Raises:
        ConfigError: see `list_records`.
    """
    return any(record.name == "constants.pkl" for record in list_records(path))


def _entries(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if not head.startswith(_ZIP):  # zipfile would find the archive that stands in a tar archive too
                raise ConfigError(f"{path}: {_what_it_is(head)}")
            with zipfile.ZipFile(file) as archive:
                return archive.infolist()
    except _DAMAGED as error:
        raise ConfigError(f"{path}: {_what_it_is(head)}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _record(entry: zipfile.ZipInfo) -> Record:
    return Record(entry.filename.partition("/")[2], entry.file_size, entry.CRC)


def check_pickle(path: Path) -> None:
    """Read the small record that says which tensor is which, and compare it with its checksum.

    Raises:
        ConfigError: it is damaged, or `read_records` refuses the file.
    """
    read_records(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if _record(entry).name == PICKLE:
                    archive.read(entry)
    except (*_DAMAGED, EOFError) as error:
        raise ConfigError(f"{path}: is damaged: {PICKLE} in it is not as it was written; {_AGAIN}") from error


def _what_it_is(head: bytes) -> str:
    if not head:
        return f"is empty; {_AGAIN}"
    if head[257:262] == b"ustar":
        return "is a tar archive; the official files only bear that name: unpack it and put the file in it here"
    known = [text for start, text in _OTHERS.items() if head.startswith(start)]
    return known[0] if known else f"is no file of torch.save (it begins with {head[:8]!r}); {_AGAIN}"
