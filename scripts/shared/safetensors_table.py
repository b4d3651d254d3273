"""The table of tensors at the beginning of a safetensors file, read without the tensors. Light: planning calls it.

Source: the safetensors format: 8 bytes of header length, little-endian, a JSON header, then the tensors' bytes.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

_LENGTH_BYTES = 8
_LONGEST = 10_000_000  # bytes of header; a model's takes about 30,000, that of a whole CLIP 50,000


class Table(NamedTuple):
    """What a safetensors file announces.

    Attributes:
        header: as it stands in the file.
        metadata: what its writer says of it.
        places: of each tensor: where its bytes begin in the file, and end.
        n_bytes: size of the file.
        announced: the size that it has when it is whole.
    """

    header: bytes
    metadata: dict[str, str]
    places: list[tuple[int, int]]
    n_bytes: int
    announced: int


def read_table(path: Path) -> Table:
    """Read the table of tensors; whether the file is as long as that announces is left to the caller.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no safetensors file, or cut off within its header.
    """
    with path.open("rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        n_header = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        fits = 0 < n_header <= min(_LONGEST, n_bytes - _LENGTH_BYTES)
        header = file.read(n_header) if fits else b""
    first = _LENGTH_BYTES + n_header
    try:
        tensors: dict[str, Any] = json.loads(header)
        metadata = dict(tensors.pop("__metadata__", {}))
        offsets = [tensor["data_offsets"] for tensor in tensors.values()]
        places = sorted((first + int(start), first + int(end)) for start, end in offsets)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no table of tensors: {error}") from error
    return Table(header, metadata, places, n_bytes, max((end for _, end in places), default=first))
