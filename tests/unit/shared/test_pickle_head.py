"""The head of a pickled array tells its shape and element type, without its content."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.shared.pickle_head import HEAD_BYTES, array_head
from scripts.shared.safe_pickle import UnsafePickleError, dumps

KINDS = ("u1", "<i8", "<f4", "?", "<c8")


@given(shape=st.lists(st.integers(0, 3), max_size=6), kind=st.sampled_from(KINDS))
def test_it_tells_what_dumps_was_given(shape: list[int], kind: str) -> None:
    assert array_head(dumps(np.zeros(shape, kind))[:HEAD_BYTES]) == (tuple(shape), np.dtype(kind))


@pytest.mark.parametrize("shape", [(16, 160, 256, 3), (1, 70_000), (300, 300), (2**17,)])
def test_the_content_need_not_be_there(shape: tuple[int, ...]) -> None:
    whole = dumps(np.ones(shape, np.uint8))
    for n_bytes in (HEAD_BYTES, 200):
        assert array_head(whole[:n_bytes]) == (shape, np.uint8)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04",
        b"not a pickle at all",
        dumps({"tokens": np.zeros(77)}),
        dumps([1, 2]),
        pickle.dumps(print),
        dumps(np.zeros((2, 3)))[:60],
        dumps(np.zeros((2, 3))).replace(b"f8", b"O8"),
        dumps(np.zeros((2, 3))).replace(b"\x01<", b"\x01>"),
        dumps(np.zeros((2, 3))).replace(b"_reconstruct", b"_reconstrucT"),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(UnsafePickleError, match="does not begin as the pickle of an array"):
        array_head(data[:HEAD_BYTES])


@given(st.binary(max_size=HEAD_BYTES), st.integers(0, 200))
def test_no_bytes_do_anything_but_be_refused(noise: bytes, kept: int) -> None:
    data = dumps(np.zeros((2, 3, 4), np.uint8))[:kept] + noise
    try:
        shape, dtype = array_head(data)
    except UnsafePickleError:
        return
    assert all(isinstance(length, int) for length in shape)
    assert np.dtype(dtype).kind in "biufc"
