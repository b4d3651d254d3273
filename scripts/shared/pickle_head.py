"""What a pickled array is, from the first bytes of its file: a look that does not read the content."""

import pickletools
import re
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scripts.shared.safe_pickle import UnsafePickleError

HEAD_BYTES = 512  # of a file; enough for any array of up to a dozen dimensions
_NUMBERS = re.compile("b1|[iu][1248]|f[248]|c8|c16")


def array_head(head: bytes) -> tuple[tuple[int, ...], DTypeLike]:
    """Shape and element type of an array that `safe_pickle.dumps` wrote.

    Args:
        head: the first `HEAD_BYTES` of the file, or all where it is shorter.

    Raises:
        UnsafePickleError: the file does not begin so; nothing of it was run.
    """
    match _arguments(head):
        case ["numpy.core.multiarray", "_reconstruct", "numpy", "ndarray", 0, b"b", 1, *rest] if "numpy" in rest:
            end = rest.index("numpy")
            match rest[end:]:
                case ["numpy", "dtype", str(kind), 3, ("<" | "|") as order, *_] if _NUMBERS.fullmatch(kind):
                    return tuple(rest[:end]), np.dtype(kind).newbyteorder(order)
    raise UnsafePickleError("the file does not begin as the pickle of an array of numbers does")


def _arguments(head: bytes) -> list[Any]:
    """What the instructions of a pickle are given, up to where the bytes end."""
    found: list[Any] = []
    try:
        for opcode, argument, _ in pickletools.genops(head):
            if argument is not None and opcode.name not in ("PROTO", "FRAME"):
                found.append(argument)
    except ValueError:  # the content is cut off, or this is no pickle: `array_head` tells
        pass
    return found
