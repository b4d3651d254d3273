"""Our pickles depend on values alone and load everywhere; our loader runs nothing and takes nothing odd."""

import copyreg
import io
import os
import pickle
import pickletools
import struct
import subprocess
import warnings
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.shared.errors import PolymillError
from scripts.shared.safe_pickle import UnsafePickleError, dumps, loads

DTYPES = ["b1", "u1", "i2", "<i8", ">i4", "f2", "<f4", ">f8", "c8", "S3", "<U5", ">U2"]

lawful = settings(derandomize=True, deadline=None, max_examples=200)
plain_keys = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.binary(max_size=5))
plain = st.recursive(
    st.one_of(plain_keys, st.floats(allow_nan=False), st.integers(-(2**3000), 2**3000)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.tuples(inner, inner),
        st.lists(inner, max_size=6).map(tuple),
        st.dictionaries(plain_keys, inner, max_size=4),
    ),
    max_leaves=20,
)


def array_of(dtype: str, shape: tuple[int, ...] = (2, 3)) -> np.ndarray[Any, Any]:
    return np.arange(1, 1 + int(np.prod(shape))).reshape(shape).astype(dtype)


def assert_same(left: Any, right: Any) -> None:
    assert type(left) is type(right)
    if isinstance(left, np.ndarray | np.generic):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    else:
        assert left == right


# --- dumps


@lawful
@given(value=plain)
def test_what_is_written_is_what_both_loaders_read(value: Any) -> None:
    data = dumps(value)
    assert_same(pickle.loads(data), value)
    assert_same(loads(data), value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 4)])
def test_arrays_come_back_as_they_were(dtype: str, shape: tuple[int, ...]) -> None:
    array = array_of(dtype, shape)
    data = dumps({"frames": array})
    little_endian = array.astype(array.dtype.newbyteorder("<"))
    assert_same(pickle.loads(data)["frames"], little_endian)
    assert_same(loads(data)["frames"], little_endian)
    assert loads(data)["frames"].flags.writeable


def test_the_bytes_are_what_they_always_were() -> None:
    # Golden: an environment with another numpy or Python must write the same file.
    value = {"tokens": np.array([49406, 49407], dtype="<i8"), "text": ["é", None, True, -1.5, 300, 2**40]}
    assert dumps(value).hex() == (
        "800495b7000000000000007d288c06746f6b656e738c156e756d70792e636f72652e6d756c746961727261798c"
        "0c5f7265636f6e737472756374938c056e756d70798c076e646172726179934b00854301628752284b014b0285"
        "8c056e756d70798c056474797065938c02693889888752284b038c013c4e4e4e4affffffff4affffffff4b0074"
        "62894310fec0000000000000ffc000000000000074628c04746578745d288c02c3a94e8847bff8000000000000"
        "4d2c018a0600000000000165752e"
    )


def test_strides_and_byte_order_do_not_reach_the_bytes() -> None:
    array = array_of("<i4", (4, 6))
    for other in (np.asfortranarray(array), array.T.copy().T, np.repeat(array, 2, axis=1)[:, ::2], array.astype(">i4")):
        assert dumps(other) == dumps(array)


def test_identity_does_not_reach_the_bytes() -> None:
    word = "".join(["fra", "mes"])
    shared, array = ["x"], array_of("u1")
    assert dumps([word, word, shared, shared, array, array]) == dumps(
        ["frames", "".join(["frame", "s"]), ["x"], ["x"], array.copy(), array.copy()]
    )


def test_metadata_of_an_element_type_does_not_reach_the_bytes() -> None:
    noted = np.zeros(3, dtype=np.dtype("<i4", metadata={"made": "today"}))
    assert dumps(noted) == dumps(np.zeros(3, dtype="<i4"))


def test_only_names_that_numpy_1_knows_are_written() -> None:
    texts = [argument for _, argument, _ in pickletools.genops(dumps(array_of("u1"))) if isinstance(argument, str)]
    assert texts == ["numpy.core.multiarray", "_reconstruct", "numpy", "ndarray", "numpy", "dtype", "u1", "|"]


def test_the_standard_loader_reads_them_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(dumps(array_of("u1")))


def test_a_large_text_and_large_bytes_come_back() -> None:
    for value in ("é" * 200, b"x" * 300, "x" * 70_000, b"x" * 70_000):
        assert loads(dumps(value)) == pickle.loads(dumps(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        *(object(), print, dumps, UnsafePickleError, 1j, bytearray(b"x"), {1}, frozenset([1]), OrderedDict(a=1)),
        *(np.float32(1), np.float64(1), np.str_("x"), np.load, Path(), np),
        np.array([None]),
        np.zeros(2, dtype="i4,f4"),
        np.zeros(2, dtype="M8[s]"),
        np.ma.masked_array([1], [True]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_else_is_not_written(value: Any) -> None:
    with pytest.raises(TypeError, match=r"is not written|cannot pickle"):
        dumps([value])


# --- loads: what it takes


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_numpys_own_pickles_are_read(dtype: str, protocol: int) -> None:
    array = array_of(dtype, (3, 4, 5))
    value = {
        "c": array,
        "f": np.asfortranarray(array),
        "permuted": array.transpose(2, 0, 1),
        "twice": [array, array],
        "scalar": array[0, 0, 0],
        "dtype": array.dtype,
        "empty": array[:0],
        "one": np.array(array[0, 0, 0]),
    }
    loaded = loads(pickle.dumps(value, protocol=protocol))
    for name in ("c", "f", "permuted", "scalar", "empty", "one"):
        assert_same(loaded[name], value[name])
    assert loaded["dtype"] == array.dtype
    assert loaded["twice"][0] is loaded["twice"][1]


def renamed(data: bytes) -> bytes:
    """A pickle of protocol 2, whose names end at a line end, as numpy 1 writes it."""
    return data.replace(b"numpy._core", b"numpy.core")


def test_numpy_1_names_are_read() -> None:
    value = [array_of("f4"), np.float64(2.5)]
    data = renamed(pickle.dumps(value, protocol=2))
    assert b"_core" not in data
    for left, right in zip(loads(data), value, strict=True):
        assert_same(left, right)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@lawful
@given(value=plain)
def test_plain_pickles_of_any_protocol_are_read(protocol: int, value: Any) -> None:
    assert_same(loads(pickle.dumps(value, protocol=protocol)), value)


@pytest.mark.parametrize("protocol", [4, 5])
def test_sets_are_read(protocol: int) -> None:
    value = [{1, "x"}, frozenset([2]), {(1, (2, "x")): 3}, {np.float32(4): {np.int64(5)}}]
    assert_same(loads(pickle.dumps(value, protocol=protocol)), value)


def test_a_bytearray_is_read() -> None:
    assert_same(loads(pickle.dumps(bytearray(b"abc"), protocol=5)), bytearray(b"abc"))


def test_flags_and_sizes_of_an_element_type_are_not_believed() -> None:
    state = b"(K\x03" + text("|") + b"NNNK\x40K\x01K\x3ftb"  # 64 bytes, and every flag, so objects too
    loaded = loads(array_pickle(b"K\x02\x85", U1 + state, b"C\x02ab"))
    assert_same(loaded, np.array([97, 98], dtype="u1"))


def test_equal_arrays_loaded_from_shared_bytes_are_apart() -> None:
    first, second = loads(dumps([array_of("u1"), array_of("u1")]))
    first[:] = 0
    assert second.any()


# --- loads: what it refuses


class Call:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, Any]:
        return self.call


def text(value: str) -> bytes:
    return b"\x8c%c" % len(value.encode()) + value.encode()


def named(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


PROTO, STOP = b"\x80\x04", b"."
RECONSTRUCTED = named("numpy.core.multiarray", "_reconstruct") + named("numpy", "ndarray") + b"K\0\x85C\x01b\x87R"
U1 = named("numpy", "dtype") + text("u1") + b"\x89\x88\x87R"


def array_pickle(shape: bytes, dtype: bytes, content: bytes) -> bytes:
    return PROTO + RECONSTRUCTED + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb" + STOP


TEN_KB = b"B" + struct.pack("<I", 10_000) + bytes(10_000)
TOUCH = "open('touched', 'w').close()"
ATTACKS: dict[str, bytes] = {
    **{
        f"{function.__module__}.{function.__qualname__} protocol {protocol}": pickle.dumps(
            [1, Call(function, *arguments)], protocol=protocol
        )
        for protocol in (0, 1, 2, 3, 4, 5)
        for function, arguments in (
            (os.system, ("touch touched",)),
            (eval, (TOUCH,)),
            (exec, (TOUCH,)),
            (getattr, ("x", "upper")),
            (__import__, ("os",)),
            (open, ("touched", "w")),
            (subprocess.Popen, (["touch", "touched"],)),
            (np.load, ("touched",)),
            (np.fromfile, ("touched",)),
            (np.memmap, ("touched", "u1", "w+", 0, (4,))),
            (np.testing.assert_equal, (1, 1)),
            (pickle.loads, (b"N.",)),
            (list, ((1, 2),)),
            (type, ("X", (), {})),
        )
    },
    **{
        f"name {module}.{name}": PROTO + named(module, name) + STOP
        for module, name in (
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("builtins", "set.__init__.__globals__"),
            ("numpy", "load"),
            ("numpy", "ndarray.__reduce__"),
            ("numpy", "ndarray.tofile"),
            ("numpy", "dtype.__init__"),
            ("numpy.core.multiarray", "_reconstruct.__globals__"),
            ("numpy.core.multiarray", "fromfile"),
            ("numpy._core.multiarray", "array"),
            ("numpy.testing", "measure"),
            ("numpy.testing._private.utils", "runstring"),
            ("numpy.f2py.crackfortran", "myeval"),
            ("numpy.core._internal", "_newnames"),
            ("operator", "attrgetter"),
            ("functools", "partial"),
            ("scripts.shared.safe_pickle", "dumps"),
            ("scripts.shared.safe_pickle", "pickle.loads"),
            ("", ""),
            ("numpy ndarray", ""),
        )
    },
    "a name of protocol 2": b"\x80\x02cos\nsystem\nU\x02id\x85R.",
    "a name with a space": b"\x80\x02cnumpy ndarray\nx\n.",
    "a class alone": PROTO + named("numpy", "ndarray") + STOP,
    "a class in a list": PROTO + b"]" + named("numpy", "ndarray") + b"a" + STOP,
    "a class in a tuple": PROTO + named("numpy", "ndarray") + b"\x85" + STOP,
    "a class in a tuple in a tuple": PROTO + named("numpy", "ndarray") + b"\x85\x85" + STOP,
    "a class as a key": PROTO + b"}" + named("numpy", "ndarray") + b"Ns" + STOP,
    "a class called": PROTO + named("numpy", "ndarray") + b"K\x05\x85\x85R" + STOP,
    "a text called": PROTO + text("os") + b")R" + STOP,
    "an array called": array_pickle(b"K\x01\x85", U1, b"C\x01x")[:-1] + b")R" + STOP,
    "a name that is a number": PROTO + b"K\x01K\x02\x93" + STOP,
    "a name from nested lists": PROTO + b"]" * 50_000 + b"a" * 49_999 + text("x") + b"\x93" + STOP,
    "a subclass of arrays": (
        PROTO + named("numpy.core.multiarray", "_reconstruct") + named("numpy", "memmap") + b"K\0\x85C\x01b\x87R."
    ),
    "an array of another class": array_pickle(b"K\x01\x85", U1, b"C\x01a").replace(
        named("numpy", "ndarray"), named("builtins", "set")
    ),
    "an array of a large shape": (
        PROTO
        + named("numpy.core.multiarray", "_reconstruct")
        + named("numpy", "ndarray")
        + b"J\xff\xff\xff\x7f\x85C\x01b\x87R."
    ),
    "an unfinished array": PROTO + RECONSTRUCTED + STOP,
    "an unfinished array in a list": PROTO + b"]" + RECONSTRUCTED + b"a" + STOP,
    "state for a list": PROTO + b"]K\x01\x85b" + STOP,
    "state for a class": PROTO + named("numpy", "ndarray") + b"}" + text("x") + b"Nsb" + STOP,
    "a dict as state": PROTO + RECONSTRUCTED + b"}" + text("dtype") + b"Nsb" + STOP,
    "more shape than bytes": array_pickle(b"J\xff\xff\xff\x7f\x85", U1, b"C\x04abcd"),
    "a shape beyond 64 bits": array_pickle(b"\x8a\x09" + b"\xff" * 8 + b"\0" + b"\x85", U1, b"C\0"),
    "a negative shape": array_pickle(b"J\xff\xff\xff\xffJ\xfc\xff\xff\xff\x86", U1, b"C\x04abcd"),
    "a shape of True": array_pickle(b"\x88\x85", U1, b"C\x01a"),
    "65 dimensions": array_pickle(b"(" + b"K\x01" * 65 + b"t", U1, b"C\x01a"),
    "a list for bytes": array_pickle(b"K\x01\x85", U1, b"]"),
    "a text for a dtype": array_pickle(b"K\x01\x85", text("O"), b"C\x08abcdefgh"),
    **{
        f"dtype {name}": array_pickle(
            b"K\x01\x85", named("numpy", "dtype") + text(name) + b"\x89\x88\x87R", b"C\x08abcdefgh"
        )
        for name in ("O", "O8", "|O", "V8", "M8[s]", "m8", "object", "i4,f4", "(2)f4", "T", "p", "u0", "U0", "i3", "")
    },
    "a dtype of fields": PROTO + named("numpy", "dtype") + b"]" + text("a") + text("O8") + b"\x86a\x89\x88\x87R.",
    "a dtype with fields as state": (
        PROTO + U1 + b"(K\x03" + text("|") + b"N" + text("a") + b"\x85}J\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb."
    ),
    "objects": pickle.dumps(np.array([Call(os.system, "touch touched")]), protocol=4),
    "harmless objects": pickle.dumps(np.array([None, "x"]), protocol=4),
    "a persistent id": b"\x80\x02Pdatabase\n.",
    "a binary persistent id": PROTO + text("database") + b"Q" + STOP,
    **{
        f"extension of {len(code) - 1} bytes": PROTO + code + STOP
        for code in (b"\x82\1", b"\x83\1\0", b"\x84\1\0\0\0")
    },
    "an instance": b"\x80\x02(ios\nsystem\n.",
    "an object": b"\x80\x02(cos\nsystem\no.",
    "a new object": PROTO + named("numpy", "ndarray") + b"K\x05\x85\x85\x81" + STOP,
    "a new object with keywords": PROTO + named("numpy", "ndarray") + b")}\x92" + STOP,
    "a buffer from outside": b"\x80\x05\x97.",
    "a read-only buffer": b"\x80\x05N\x98.",
    "another encoding": PROTO + named("_codecs", "encode") + text("x") + text("zip") + b"\x86R" + STOP,
    "bytes of a length": PROTO + named("builtins", "bytes") + b"J\xff\xff\xff\x7f\x85R" + STOP,
    "a bytearray of a length": PROTO + named("builtins", "bytearray") + b"J\xff\xff\xff\x7f\x85R" + STOP,
    "a set of a text": PROTO + named("builtins", "set") + text("abc") + b"\x85R" + STOP,
    "a complex of a text": PROTO + named("builtins", "complex") + text("1") + b"\x85R" + STOP,
    "more bytes than there are": PROTO + b"\x8e" + struct.pack("<Q", 2**62) + b"x" + STOP,
    "more text than there is": PROTO + b"\x8d" + struct.pack("<Q", 2**62) + b"x" + STOP,
    "a memo of billions": PROTO + b"Nr\xff\xff\xff\xff" + b"j\xfe\xff\xff\xff" + STOP,
    "the same bytes a thousand times": (
        PROTO + b"]" + TEN_KB + b"q\x00a" + (named("builtins", "bytearray") + b"h\0\x85Ra") * 1_000 + STOP
    ),
    "the same array a thousand times": (
        PROTO
        + b"]" + TEN_KB + b"q\x00a"
        + (RECONSTRUCTED + b"(K\x01M\x10\x27\x85" + U1 + b"\x89h\0tba") * 1_000
        + STOP
    ),
    "the same text a thousand times": (
        PROTO
        + b"]X" + struct.pack("<I", 10_000) + b"x" * 10_000 + b"q\x00a"
        + (named("_codecs", "encode") + b"h\0" + text("latin1") + b"\x86Ra") * 1_000
        + STOP
    ),
    "the same list a thousand times": (
        PROTO
        + b"](" + b"N" * 10_000 + b"eq\x00\x85]"
        + (named("builtins", "set") + b"h\0\x85Ra") * 1_000
        + b"\x86" + STOP
    ),
    "lists a million deep": PROTO + b"]" * 1_000_000 + b"a" * 999_999 + STOP,
    "tuples a million deep": PROTO + b")" + b"\x85" * 1_000_000 + STOP,
    "a list that holds itself": PROTO + b"]q\x00h\x00a" + STOP,
    "an array that holds itself": PROTO + RECONSTRUCTED + b"q\x00h\x00\x85b" + STOP,
    "tuples of which each is twice in the next": PROTO + b"N" + b"q\x00h\x00\x86" * 60 + RECONSTRUCTED + b"\x86" + STOP,
    "a list as a key": PROTO + b"}]Ns" + STOP,
    "an array as a key": PROTO + b"}" + array_pickle(b"K\x01\x85", U1, b"C\x01x")[2:-1] + b"Ns" + STOP,
    "a key without a value": PROTO + b"}(Nu" + STOP,
    "appended to a tuple": PROTO + b")Na" + STOP,
    "a mark as a value": PROTO + b"(" + STOP,
    "a mark in a tuple": PROTO + b"(\x85" + STOP,
    "an empty stack": PROTO + STOP,
    "no end": PROTO + b"N",
    "nothing": b"",
    "bytes after the end": PROTO + b"N.N.",
    "an unknown protocol": b"\x80\x06N.",
    "an unknown instruction": PROTO + b"\xff.",
    "a number of megabytes": b"\x80\x02I" + b"9" * 1_000_000 + b"\n.",
    "a memo entry that is not there": PROTO + b"h\5" + STOP,
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_refused_and_nothing_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafePickleError, match=r"the pickle was not loaded: [^\n]+; only undamaged"):
        loads(ATTACKS[name])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("the same array a thousand times", "claims more data than it holds"),
        ("the same text a thousand times", "claims more data than it holds"),
        ("a memo of billions", "claims more data than it holds"),
        ("lists a million deep", "recursion"),
        ("a list that holds itself", "recursion"),
        ("more shape than bytes", "cannot reshape array of size 4"),
        ("a negative shape", "without a shape"),
        ("a list for bytes", "without its bytes"),
        ("a text for a dtype", "element type"),
        ("dtype O8", "of type 'O8'"),
        ("a dtype of fields", "array of records"),
        ("a dtype with fields as state", "array of records"),
        ("harmless objects", "of type 'O8'"),
        ("a name that is a number", "requires str"),
        ("a class in a tuple in a tuple", "class or a function"),
        ("a class called", r"calls numpy\.ndarray in an unknown way"),
        ("an unfinished array", r"_reconstruct in an unknown way"),
        ("a new object", "NEWOBJ"),
        ("a persistent id", "persistent id"),
        ("extension of 1 bytes", "registered extension"),
        ("an instance", r"asks for os\.system"),
        ("a buffer from outside", "out-of-band"),
        ("another encoding", r"_codecs\.encode in an unknown way"),
        ("a subclass of arrays", r"numpy\.memmap"),
        ("bytes after the end", "bytes follow"),
    ],
)
def test_the_reason_is_the_one_meant(name: str, reason: str) -> None:
    with pytest.raises(UnsafePickleError, match=reason):
        loads(ATTACKS[name])


def test_the_attacks_do_run_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(next(data for name, data in ATTACKS.items() if "system protocol 4" in name))
    assert (tmp_path / "touched").exists()


def test_the_error_is_one_that_users_see_and_names_what_was_asked_for() -> None:
    assert issubclass(UnsafePickleError, PolymillError)
    with pytest.raises(UnsafePickleError, match=r"it asks for posix\.system; only .* arrays"):
        loads(PROTO + named("posix", "system") + STOP)


def test_a_registered_extension_is_refused_even_where_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg._extension_cache, 77, print)
    assert pickle.loads(PROTO + b"\x82\x4d" + STOP) is print
    with pytest.raises(UnsafePickleError, match="registered extension"):
        loads(PROTO + b"\x82\x4d" + STOP)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # pickletools reading a text of Python 2
@settings(derandomize=True, deadline=None, max_examples=1_500)
@given(data=st.data())
def test_a_damaged_pickle_loads_or_is_refused_and_nothing_else(data: st.DataObject) -> None:
    value = {"a": array_of("<i4"), "b": [1, 2.5, "x", None, (1, 2, 3, 4)], "c": {1, 2}, "d": np.float32(3)}
    protocol = data.draw(st.integers(2, 5))
    damaged = bytearray(pickle.dumps(value, protocol=protocol))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(UnsafePickleError):
        loads(bytes(damaged))


@lawful
@given(junk=st.binary(max_size=60))
def test_junk_is_refused_or_plain(junk: bytes) -> None:
    for data in (junk, PROTO + junk, PROTO + junk + STOP, PROTO + RECONSTRUCTED + junk + STOP):
        with suppress(UnsafePickleError):
            loads(data)


def test_a_pickle_cut_short_anywhere_is_refused() -> None:
    data = dumps({"tokens": array_of("<i8", (7,))})
    for length in range(len(data)):
        with pytest.raises(UnsafePickleError):
            loads(data[:length])


def test_what_pickle_writes_to_a_file_is_read() -> None:
    value = [array_of("u1", (200, 200)), "x" * 100_000]
    file = io.BytesIO()
    pickle.dump(value, file)
    assert_same(loads(file.getvalue())[0], value[0])
