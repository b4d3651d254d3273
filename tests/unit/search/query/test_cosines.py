"""Cosines are those of the vectors that are kept, to the last places of a float32."""

import numpy as np
import pytest

from scripts.search.query.cosines import cosines
from tests.unit.search.query.made import random_unit


@pytest.mark.parametrize("n", [1, 511, 512, 513, 3000])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_cosines_are_exact(n: int, dtype: type[np.float32] | type[np.float16]) -> None:
    vectors, query = random_unit(n, 96).astype(dtype), random_unit(1, 96, seed=1)[0]
    expected = vectors.astype(np.float64) @ query.astype(np.float64)
    np.testing.assert_allclose(cosines(vectors, query), expected, atol=3e-7)


def test_every_half_is_read_exactly() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    halves = bits.view(np.float16)
    halves = np.where(np.isfinite(halves), halves, np.float16(0))
    one = np.ones(1, dtype=np.float32)
    assert (cosines(halves[:, None], one) == halves.astype(np.float32)).all()


def test_no_vectors_give_no_cosines() -> None:
    for dtype in (np.float32, np.float16):
        assert cosines(np.empty((0, 4), dtype=dtype), np.ones(4, dtype=np.float32)).shape == (0,)
