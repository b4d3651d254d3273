"""Pickles that numpy 1.x can load, and a loader that runs nothing.

`dumps` exists because numpy 2 writes module names (`numpy._core`) that numpy 1.x lacks, and because the bytes
of the ordinary pickle module depend on which values are one and the same object; here equal values give equal
bytes. `loads` exists because an ordinary pickle can run any code when it is loaded; see `pickle_machine`.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.shared.pickle_machine import ELEMENT, Machine, UnsafePickleError

__all__ = ["UnsafePickleError", "dumps", "loads"]


def dumps(value: Any) -> bytes:
    """Pickle a value so that any numpy from 1.x on loads it and equal values give equal bytes.

    Args:
        value: an ndarray (booleans, numbers or fixed-width texts; any strides and byte order, written in C
            order and little-endian), or None, bool, int, float, str, bytes, or a list, tuple, dict, set or
            frozenset of such values without cycles. Dicts keep their order, sets are written in the order of
            their pickled members.

    Returns:
        Pickle of protocol 4. A value that occurs twice is written twice.

    Raises:
        TypeError: the value is, or holds, anything else; subclasses count as something else.
    """
    chunks: list[bytes] = [b"\x80\x04"]  # protocol 4
    _write(value, chunks)
    chunks.append(b".")
    return b"".join(chunks)


def loads(data: bytes) -> Any:
    """Load a pickle of arrays and plain values without running anything.

    Args:
        data: pickle of protocol 2 to 5, written by numpy 1 or 2 or by `dumps`.

    Returns:
        The value. Arrays are writable; all of them together take at most twice the size of `data`.

    Raises:
        UnsafePickleError: the pickle holds anything else, claims more than it holds, or is damaged.
    """
    return Machine(data).run()


def _write(value: Any, chunks: list[bytes]) -> None:
    """Append the instructions that push one value."""
    kind = type(value)
    if kind is np.ndarray:
        _write_array(value, chunks)
    elif kind in _WRITERS:
        chunks.extend(_WRITERS[kind](value))
    elif kind is list or kind is dict or kind is set:
        _write_filled(value, chunks)
    elif kind is frozenset:
        chunks.extend([b"(", *_sorted_members(value), b"\x91"])
    elif kind is tuple:
        _write_tuple(value, chunks)
    else:
        raise TypeError(f"{kind.__module__}.{kind.__qualname__} is no array and no plain value")


def _write_filled(value: list[Any] | dict[Any, Any] | set[Any], chunks: list[bytes]) -> None:
    """An empty container, a mark, the members, and the instruction that puts them in."""
    empty, fill = {list: (b"]", b"e"), dict: (b"}", b"u"), set: (b"\x8f", b"\x90")}[type(value)]
    chunks.append(empty)
    if not value:
        return
    chunks.append(b"(")
    if isinstance(value, set):
        chunks.extend(_sorted_members(value))
    else:
        members = (part for item in value.items() for part in item) if isinstance(value, dict) else value
        for member in members:
            _write(member, chunks)
    chunks.append(fill)


def _write_tuple(value: tuple[Any, ...], chunks: list[bytes]) -> None:
    if len(value) > 3:
        chunks.append(b"(")
    for member in value:
        _write(member, chunks)
    chunks.append({0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(value), b"t"))


def _write_array(array: NDArray[Any], chunks: list[bytes]) -> None:
    """An array as numpy itself takes it apart: an empty one, then its shape, element type and bytes."""
    if not ELEMENT.fullmatch(array.dtype.str):
        raise TypeError(f"an array of {array.dtype} is not written; use numbers or fixed-width texts")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    order, name = array.dtype.str[0], array.dtype.str[1:]
    # Only texts state their size and alignment.
    size = (array.dtype.itemsize, array.dtype.alignment) if array.dtype.kind in "SU" else (-1, -1)
    flags = 8 if array.dtype.kind == "U" else 0
    chunks.extend([*_text("numpy.core.multiarray"), *_text("_reconstruct"), b"\x93"])
    chunks.extend([*_text("numpy"), *_text("ndarray"), b"\x93"])
    _write((0,), chunks)
    chunks.extend([*_raw(b"b"), b"\x87", b"R"])
    chunks.append(b"(")
    _write(1, chunks)  # version of numpy's state
    _write(array.shape, chunks)
    chunks.extend([*_text("numpy"), *_text("dtype"), b"\x93"])
    _write((name, False, True), chunks)
    chunks.append(b"R")
    _write((3, order, None, None, None, *size, flags), chunks)
    chunks.append(b"b")
    _write(False, chunks)  # not in Fortran order
    chunks.extend([*_raw(array.tobytes()), b"t", b"b"])


def _sorted_members(members: Iterable[Any]) -> list[bytes]:
    """Members of a set, each as its instructions, in an order that hashing has no part in."""
    pickled = []
    for member in members:
        chunks: list[bytes] = []
        _write(member, chunks)
        pickled.append(b"".join(chunks))
    return sorted(pickled)


def _text(value: str) -> tuple[bytes, bytes]:
    encoded = value.encode("utf-8", "surrogatepass")
    if len(encoded) < 1 << 8:
        return b"\x8c%c" % len(encoded), encoded
    if len(encoded) < 1 << 32:
        return b"X" + struct.pack("<I", len(encoded)), encoded
    return b"\x8d" + struct.pack("<Q", len(encoded)), encoded


def _raw(value: bytes) -> tuple[bytes, bytes]:
    if len(value) < 1 << 8:
        return b"C%c" % len(value), value
    if len(value) < 1 << 32:
        return b"B" + struct.pack("<I", len(value)), value
    return b"\x8e" + struct.pack("<Q", len(value)), value


def _integer(value: int) -> tuple[bytes]:
    if 0 <= value < 1 << 8:
        return (b"K%c" % value,)
    if -(1 << 31) <= value < 1 << 31:
        return (b"J" + struct.pack("<i", value),)
    encoded = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    if len(encoded) < 1 << 8:
        return (b"\x8a%c" % len(encoded) + encoded,)
    return (b"\x8b" + struct.pack("<i", len(encoded)) + encoded,)


_WRITERS: dict[type, Callable[[Any], Iterable[bytes]]] = {
    type(None): lambda _: (b"N",),
    bool: lambda value: (b"\x88" if value else b"\x89",),
    int: _integer,
    float: lambda value: (b"G" + struct.pack(">d", value),),
    str: _text,
    bytes: _raw,
}
