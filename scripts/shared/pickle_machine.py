"""The machine behind `safe_pickle.loads`: runs a pickle of arrays and plain values, and nothing else.

An ordinary pickle can run any code when it is loaded. This is a small machine of our own for the few pickle
instructions that arrays and plain values need: it imports nothing, looks up no attribute that the file names,
and knows a name only as an entry of the table `_NAMES`, which leads to a method here and never to the thing
so named. The standard library's `pickletools` cuts the file into instructions; it runs none of them.
"""

import pickletools
import re
import struct
from collections.abc import Callable
from math import prod
from typing import Any, Literal, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import PolymillError

# Element types, as numpy writes them: booleans, whole numbers, floats, complex numbers and fixed-width texts.
# No objects, which can hold anything, no records and no dates.
ELEMENT = re.compile(r"[<>|=]?[biufcSU][1-9][0-9]{0,8}")


class UnsafePickleError(PolymillError):
    """A pickle holds something other than arrays and plain values, or is damaged; nothing of it was run."""


class _Mark:
    """What the instruction MARK leaves on the stack."""


class _Name:
    """A name that a pickle may use; its meaning is an entry of `_CALLS`."""

    def __init__(self, meaning: str) -> None:
        self.meaning = meaning


class _Arguments(tuple[Any, ...]):
    """A tuple that holds a name; good for nothing but a call."""


class _Unfinished:
    """An array or element type that a BUILD instruction has yet to complete.

    Numpy completes its own half-made objects in place, by whatever state the file gives. A box of ours whose
    content is made once, from checked values, cannot be led astray.
    """

    def __init__(self, value: np.dtype[Any] | NDArray[Any] | None) -> None:
        self.value = value


_ARRAY_CLASS = _Name("array_class")
_NAMES: dict[tuple[str, str], _Name] = {
    ("numpy", "ndarray"): _ARRAY_CLASS,
    ("numpy", "dtype"): _Name("dtype"),
    **{
        (f"numpy.{core}.{module}", name): _Name(meaning)
        for core in ("core", "_core")  # numpy 1 and numpy 2
        for module, name, meaning in (
            ("multiarray", "_reconstruct", "reconstruct"),
            ("multiarray", "scalar", "scalar"),
            ("numeric", "_frombuffer", "frombuffer"),
        )
    },
    ("_codecs", "encode"): _Name("encode"),  # how protocol 2 writes bytes
    **{
        (module, name): _Name(name)
        for module in ("builtins", "__builtin__")
        for name in ("set", "frozenset", "bytes", "bytearray", "complex")
    },
}


class Machine:
    """Runs one pickle.

    Args:
        data: pickle of protocol 2 to 5.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        # Bytes that copies may still take: without it a small file could ask for the same content many times.
        # Twice, because protocol 2 spells bytes as a text that is first encoded.
        self._allowance = 2 * len(data)

    def run(self) -> Any:
        """The pickled value.

        Raises:
            UnsafePickleError: see `safe_pickle.loads`.
        """
        position: int | None = 0
        try:
            for opcode, argument, position in pickletools.genops(self._data):
                if position == 0 and (opcode.name != "PROTO" or not 2 <= cast(int, argument) <= 5):
                    _refuse("it is not of protocol 2 to 5")
                if opcode.name == "STOP":
                    break
                if opcode.name not in _STEPS:
                    _refuse(f"the instruction {opcode.name} is not allowed")
                _STEPS[opcode.name](self, argument)
            value = self._pop()
        except _DAMAGE as error:
            raise UnsafePickleError(
                f"the pickle is damaged near byte {position}: {error!s:.200}; make the file again"
            ) from None
        if self._stack:
            _refuse("it leaves values behind")
        if position != len(self._data) - 1:
            _refuse("bytes follow its end")
        return value

    def _spend(self, n_bytes: int) -> None:
        self._allowance -= n_bytes
        if self._allowance < 0:
            _refuse("it claims more data than it holds")

    # The stack.

    def _pop(self) -> Any:
        """The topmost value, complete."""
        value = _complete(self._stack.pop())
        if isinstance(value, _Name | _Arguments):
            _refuse("it holds a class or a function")
        return value

    def _pop_to_mark(self) -> list[Any]:
        """All values above the topmost mark, complete; the mark goes too."""
        values: list[Any] = []
        while not isinstance(self._stack[-1], _Mark):
            values.append(self._pop())
        self._stack.pop()
        values.reverse()
        return values

    def _container(self, kind: type) -> Any:
        """The container on top of the stack, which members are about to be added to."""
        container = self._stack[-1]
        if type(container) is not kind:
            _refuse(f"it adds members to something that is no {kind.__name__}")
        return container

    # Instructions, as `pickletools` describes them.

    def _push(self, argument: Any) -> None:
        self._stack.append(argument)

    def _append(self, _: None) -> None:
        member = self._pop()
        self._container(list).append(member)

    def _appends(self, _: None) -> None:
        members = self._pop_to_mark()
        self._container(list).extend(members)

    def _setitem(self, _: None) -> None:
        value, key = self._pop(), self._pop()
        self._container(dict)[_hashable(key)] = value

    def _setitems(self, _: None) -> None:
        members = self._pop_to_mark()
        container = self._container(dict)
        for key, value in zip(members[::2], members[1::2], strict=True):
            container[_hashable(key)] = value

    def _additems(self, _: None) -> None:
        members = self._pop_to_mark()
        self._container(set).update(map(_hashable, members))

    def _frozenset(self, _: None) -> None:
        self._stack.append(frozenset(map(_hashable, self._pop_to_mark())))

    def _tuple(self, length: int | None = None) -> None:
        """The topmost `length` values, or all above the mark, as a tuple."""
        members: list[Any] = []
        while not isinstance(self._stack[-1], _Mark) if length is None else len(members) < length:
            members.append(_complete(self._stack.pop()))
        if length is None:
            self._stack.pop()
        members.reverse()
        if any(isinstance(member, _Arguments) for member in members):
            _refuse("it holds a class or a function")
        named = any(isinstance(member, _Name) for member in members)
        self._stack.append(_Arguments(members) if named else tuple(members))

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push_name(module, name)

    def _stack_global(self, _: None) -> None:
        name, module = self._pop(), self._pop()
        self._push_name(module, name)

    def _push_name(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            _refuse("it asks for something by a name that is no text")
        if (module, name) not in _NAMES:
            _refuse(f"it asks for {module:.60}.{name:.60}")
        self._stack.append(_NAMES[module, name])

    def _reduce(self, _: None) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            _refuse("it calls something that is no constructor of arrays or plain values")
        self._stack.append(_CALLS[function.meaning](self, *arguments))

    def _build(self, _: None) -> None:
        state, target = self._pop(), self._stack[-1]
        if not isinstance(target, _Unfinished) or type(state) is not tuple:
            _refuse("it sets the state of something that is no array")
        if isinstance(target.value, np.dtype):
            target.value = _ordered(target.value, *state)
        else:
            target.value = self._filled(*state)

    # What the names of `_NAMES` mean when called, and what BUILD does to an array.

    def _not_callable(self, *_: object) -> NoReturn:
        _refuse("it makes an array other than from its bytes")

    def _make_dtype(self, text: object, _align: object = 0, _copy: object = 0) -> _Unfinished:
        # Alignment and copying mean nothing for the types allowed here.
        if type(text) is not str:
            _refuse("it holds an array of records")
        if not ELEMENT.fullmatch(text):
            _refuse(f"it holds an array of type {text!r:.60}")
        return _Unfinished(np.dtype(text))

    def _reconstruct(self, kind: object, _shape: object, _code: object) -> _Unfinished:
        # Numpy would make an empty array of this shape and type first; here nothing is made before its state.
        if kind is not _ARRAY_CLASS:
            _refuse("it makes something other than a plain array")
        return _Unfinished(None)

    def _filled(self, version: object, shape: object, dtype: object, fortran: object, content: object) -> NDArray[Any]:
        if version != 1:
            _refuse("its array is of an unknown version")
        return self._array(content, dtype, shape, "F" if fortran else "C")

    def _frombuffer(
        self, content: object, dtype: object, shape: object, order: object, axes: object = None
    ) -> NDArray[Any]:
        if axes is None and order in ("C", "F"):
            return self._array(content, dtype, shape, order)
        # Numpy's way with an array whose axes are permuted in memory.
        if order != "K" or type(axes) is not tuple:
            _refuse("its array is of an unknown order")
        return self._array(content, dtype, shape, "C").transpose(axes)

    def _array(self, content: object, dtype: object, shape: object, order: Literal["C", "F"]) -> NDArray[Any]:
        """An array that owns a copy of its content: (*shape), of `dtype`."""
        if not isinstance(content, bytes | bytearray) or not isinstance(dtype, np.dtype):
            _refuse("it holds an array without its bytes")
        if type(shape) is not tuple or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
            _refuse("it holds an array without a shape")
        if len(shape) > 64 or prod(shape) * dtype.itemsize != len(content):
            _refuse(f"its array of shape {shape!s:.80} and type {dtype} comes with {len(content)} bytes")
        self._spend(len(content))
        return np.ndarray(shape, dtype, buffer=content, order=order).copy(order)

    def _scalar(self, dtype: object, content: object) -> Any:
        return self._array(content, dtype, (), "C")[()]

    def _encode(self, text: object, encoding: object) -> bytes:
        if type(text) is not str or encoding != "latin1":
            _refuse("it encodes a text otherwise than bytes are written")
        self._spend(len(text))
        return text.encode("latin-1")

    def _make_set(self, members: object) -> set[Any]:
        return set(self._listed(members))

    def _make_frozenset(self, members: object) -> frozenset[Any]:
        return frozenset(self._listed(members))

    def _listed(self, members: object) -> list[Any]:
        if not isinstance(members, list):
            _refuse("it makes a set of something that is no list")
        self._spend(len(members))
        return [_hashable(member) for member in members]

    def _make_bytes(self) -> bytes:
        return b""

    def _make_bytearray(self, content: object = b"") -> bytearray:
        if type(content) is not bytes:
            _refuse("it makes a bytearray of something that is no bytes")
        self._spend(len(content))
        return bytearray(content)

    def _make_complex(self, real: object, imaginary: object) -> complex:
        if type(real) is not float or type(imaginary) is not float:
            _refuse("it makes a complex number of something that is no float")
        return complex(real, imaginary)


def _refuse(reason: str) -> NoReturn:
    raise UnsafePickleError(
        f"the pickle was not loaded: {reason}; only numpy arrays of numbers or texts and plain Python values are"
    )


def _complete(value: Any) -> Any:
    """The value in a box that must be finished by now; any other value as it is."""
    if isinstance(value, _Mark):
        _refuse("its marks are out of place")
    if isinstance(value, _Unfinished):
        value = value.value
        if value is None:
            _refuse("it uses an array that it never completes")
    return value


def _hashable(value: Any, depth: int = 3) -> Any:
    """The value, if it may be a key of a dict or a member of a set.

    Hashing a tuple of tuples a million deep would overflow the C stack, so that depth has a bound.
    """
    if type(value) is tuple and depth > 0:
        for member in value:
            _hashable(member, depth - 1)
    elif type(value) not in _KEYS and not isinstance(value, np.generic):
        _refuse(f"it has a key of type {type(value).__name__}, or one nested too deep")
    return value


def _ordered(dtype: np.dtype[Any], version: object, order: object, *rest: object) -> np.dtype[Any]:
    """The element type with the byte order that its state gives."""
    # After the order: subtype, field names, fields, size, alignment, flags. The first three make records.
    if version != 3 or order not in ("<", ">", "|", "=") or rest[:3] != (None, None, None) or len(rest) != 6:
        _refuse("it holds an array of records or dates")
    return dtype.newbyteorder(order)


_KEYS = (str, bytes, int, float, bool, complex, frozenset, type(None))
# What the standard library, numpy and the code above raise on bytes that are no pickle.
_DAMAGE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)

_CALLS: dict[str, Callable[..., Any]] = {
    "array_class": Machine._not_callable,
    "dtype": Machine._make_dtype,
    "reconstruct": Machine._reconstruct,
    "scalar": Machine._scalar,
    "frombuffer": Machine._frombuffer,
    "encode": Machine._encode,
    "set": Machine._make_set,
    "frozenset": Machine._make_frozenset,
    "bytes": Machine._make_bytes,
    "bytearray": Machine._make_bytearray,
    "complex": Machine._make_complex,
}

_LITERALS = (
    "BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT NONE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8"
)

# Everything that a pickle may do. What is absent (persistent ids, the extension registry, instances, buffers
# outside the file, protocols 0 and 1) is refused by name.
_STEPS: dict[str, Callable[[Machine, Any], None]] = {
    **dict.fromkeys(_LITERALS.split(), Machine._push),
    "NEWTRUE": lambda machine, _: machine._push(True),
    "NEWFALSE": lambda machine, _: machine._push(False),
    "EMPTY_LIST": lambda machine, _: machine._push([]),
    "EMPTY_DICT": lambda machine, _: machine._push({}),
    "EMPTY_SET": lambda machine, _: machine._push(set()),
    "EMPTY_TUPLE": lambda machine, _: machine._push(()),
    "MARK": lambda machine, _: machine._push(_Mark()),
    "TUPLE": lambda machine, _: machine._tuple(),
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "APPEND": Machine._append,
    "APPENDS": Machine._appends,
    "SETITEM": Machine._setitem,
    "SETITEMS": Machine._setitems,
    "ADDITEMS": Machine._additems,
    "FROZENSET": Machine._frozenset,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "MEMOIZE": Machine._memoize,
    "BINGET": Machine._get,
    "LONG_BINGET": Machine._get,
    "GLOBAL": Machine._global,
    "STACK_GLOBAL": Machine._stack_global,
    "REDUCE": Machine._reduce,
    "BUILD": Machine._build,
    "PROTO": lambda _machine, _: None,
    "FRAME": lambda _machine, _: None,
}
