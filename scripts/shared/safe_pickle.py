"""Pickles that numpy 1.x can load, and a loader that runs nothing.

`dumps` is the standard library's pickler with one name changed: numpy 2 writes `numpy._core`, which 1.x lacks.
`loads` is the standard library's unpickler, but what a pickle names it never gets: calls are only noted. Arrays are
then made here from checked parts, because numpy's own functions for that trust what they are given.
"""

import io
import pickle
import pickletools
import re
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import PolymillError

_PLAIN = (type(None), bool, int, float, str, bytes)
# Element types as numpy writes them: booleans, numbers and fixed-width texts. No objects, records or dates.
_ELEMENT = re.compile(r"[<>|=]?[biufcSU][1-9][0-9]{0,8}")
_RECONSTRUCT: Any = np.empty(0).__reduce__()[0]  # the function that numpy's pickle of an array calls
_NAMES = {"numpy.ndarray", "numpy.dtype", "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar"} | {
    "numpy.core.numeric._frombuffer",  # protocol 5
    *("_codecs.encode", "__builtin__.bytes"),  # protocol 2: bytes, and empty bytes
}
_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, EOFError, MemoryError, RecursionError)
_PurePickler: Any = pickle._Pickler  # the type stubs leave its methods out


class UnsafePickleError(PolymillError):
    """A pickle holds something other than arrays and plain values, or is damaged; nothing of it was run."""


def dumps(value: Any) -> bytes:
    """Pickle a value by protocol 4 so that any numpy from 1.x on loads it and equal values give equal bytes.

    Args:
        value: an ndarray of booleans, numbers or fixed-width texts (written in C order and little-endian), or None,
            bool, int, float, str, bytes, or a list, tuple or dict of such values without cycles.

    Raises:
        TypeError: the value is, or holds, anything else; subclasses count as something else.
    """
    chunks: list[bytes] = []
    pickler = _Pickler(SimpleNamespace(write=chunks.append), protocol=4)
    pickler.fast = True  # no references back: they would tell a repeated value from an equal one
    pickler.dump(value)
    return b"".join(chunks)


def loads(data: bytes) -> Any:
    """Load a pickle of arrays and plain values, by numpy 1 or 2 or by `dumps`, without running anything.

    Returns:
        The value. Arrays are writable; all of them together take at most twice the size of `data`.

    Raises:
        UnsafePickleError: the pickle holds anything else, claims more than it holds, holds itself, or is damaged.
            Only a dict key of tuples nested many thousands deep is no error: hashing it crashes any Python.
    """
    try:
        _check_instructions(data)
        unpickler = _Unpickler(data)
        return unpickler.made(unpickler.load())
    except (pickle.UnpicklingError, *_DAMAGE) as error:
        reason = " ".join(str(error)[:200].split()) or type(error).__name__
        wanted = "only undamaged ones of numpy arrays of numbers or texts and plain Python values are"
        raise UnsafePickleError(f"the pickle was not loaded: {reason}; {wanted}") from None


class _Pickler(_PurePickler):  # type: ignore[misc]
    def save_global(self, obj: Any, name: str | None = None) -> None:  # noqa: ARG002 - the base class has it
        # Anything but a plain value is pickled as a call of something with a name, so it is stopped here.
        if obj is not _RECONSTRUCT and obj is not np.ndarray and obj is not np.dtype:
            raise TypeError(f"{obj!r:.80} is not written; use arrays and plain values")
        self.save("numpy.core.multiarray" if obj is _RECONSTRUCT else "numpy")
        self.save(obj.__name__)
        self.write(pickle.STACK_GLOBAL)

    def save_array(self, array: NDArray[Any]) -> None:
        if not _ELEMENT.fullmatch(array.dtype.str):
            raise TypeError(f"an array of {array.dtype} is not written; use numbers or fixed-width texts")
        element = np.dtype(array.dtype.str).newbyteorder("<")
        self.save_reduce(*np.asarray(array, element, order="C").__reduce__())

    dispatch: ClassVar[dict[type, Any]] = {kind: _PurePickler.dispatch[kind] for kind in (*_PLAIN, list, tuple, dict)}
    dispatch[np.ndarray] = save_array


class _Call:
    """A name that a pickle asks for or, with arguments, a call of it: noted, not made."""

    def __init__(self, name: str, arguments: tuple[Any, ...] | None = None) -> None:
        self.name, self.arguments, self.state = name, arguments, None

    def __call__(self, *arguments: Any) -> "_Call":
        return _Call(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        # Bytes that copies may take, since a file can name the same content many times; protocol 2 copies twice.
        self._allowance = 2 * len(data)
        self._made: dict[int, Any] = {}  # by the id of what the pickle held

    def find_class(self, module: str, name: str, /) -> _Call:
        known = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if known not in _NAMES:
            raise pickle.UnpicklingError(f"it asks for {module:.60}.{name:.60}")
        return _Call(known)

    def made(self, held: Any) -> Any:
        """What the pickle held, with its calls made; an object that it held twice is made once."""
        kind = type(held)
        if kind in (*_PLAIN, bytearray):
            return held
        if id(held) not in self._made:
            if kind in (list, tuple, set, frozenset):
                value = kind(map(self.made, held))
            elif kind is dict:
                value = {self.made(key): self.made(member) for key, member in held.items()}
            elif kind is _Call and held.arguments is not None:
                value = self._called(held)
            else:
                raise pickle.UnpicklingError("it holds a class or a function")
            self._made[id(held)] = value
        return self._made[id(held)]

    def _called(self, call: _Call) -> Any:
        # `_reconstruct` makes an empty array for the state to fill; here the state says all.
        name = call.name.rpartition(".")[2]
        arguments = None if name == "_reconstruct" else self.made(call.arguments)
        match name, arguments, self.made(call.state):
            case "dtype", (str(text), *_), (None | (3, _, None, None, None, *_)) as state if _ELEMENT.fullmatch(text):
                return np.dtype(text).newbyteorder(state[1] if state else "|")
            case "dtype", (kind, *_), _:
                raise pickle.UnpicklingError(f"it holds an array of records or of type {kind!r:.60}")
            case "_reconstruct", _, (1, shape, dtype, fortran, content):
                return self._array(content, dtype, shape, "F" if fortran else "C")
            case "_frombuffer", (content, dtype, shape, order), None:
                return self._array(content, dtype, shape, order)
            case "_frombuffer", (content, dtype, shape, "K", axes), None:
                return self._array(content, dtype, shape, "C").transpose(axes)
            case "scalar", (dtype, content), None:
                return self._array(content, dtype, (), "C")[()]
            case "encode", (str(text), "latin1"), None:
                return self._allowed(text.encode("latin-1"))
            case "bytes", (), None:
                return b""
        raise pickle.UnpicklingError(f"it calls {call.name} in an unknown way")

    def _array(self, content: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
        """An array that owns its content: (*shape), of `dtype`; numpy refuses any but the exact number of bytes."""
        if not isinstance(content, bytes | bytearray) or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError("it holds an array without its bytes or element type")
        if not all(type(n) is int and n >= 0 for n in shape):
            raise pickle.UnpicklingError("it holds an array without a shape")
        return np.frombuffer(self._allowed(content), dtype).reshape(shape, order=order).copy("K")

    def _allowed(self, content: bytes | bytearray) -> bytes | bytearray:
        self._allowance -= len(content)
        if self._allowance < 0:
            raise pickle.UnpicklingError("it claims more data than it holds")
        return content


def _check_instructions(data: bytes) -> None:
    """Refuse what the unpickler would do without asking `find_class`."""
    for opcode, argument, position in pickletools.genops(data):
        if opcode.name in ("EXT1", "EXT2", "EXT4"):
            raise pickle.UnpicklingError("it asks for a registered extension")
        # The unpickler makes room for as many memo entries as this number says.
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise pickle.UnpicklingError("it claims more data than it holds")
        if opcode.name == "STOP" and position != len(data) - 1:
            raise pickle.UnpicklingError("bytes follow its end")
