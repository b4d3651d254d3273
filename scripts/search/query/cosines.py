"""Exact cosines of one vector with all, by NumPy.

Measured on one core of an AMD EPYC for a million vectors of 512: float32 75 ms; float16 160 ms as below, 750 ms with
NumPy's own conversion, 128 ms with faiss, which gives only the best few and so neither totals nor times of frames.
"""

import numpy as np
from numpy.typing import NDArray

from scripts.search.query.catalogue import Floats, Vectors

# A quarter of a megabyte as float32: fits into a core's own cache, beside what else is in it.
_ROWS_AT_ONCE = 128
_SIGN_AND_REST = np.int32(-0x70002000)  # 0x8FFFE000
_BIAS = np.float32(2.0**112)


def cosines(vectors: Vectors, query: Floats) -> Floats:
    """Cosines of a vector with all rows.

    Args:
        vectors: (n, dim) float32 or float16, rows of unit length.
        query: (dim,) float32, of unit length.

    Returns:
        (n,) float32.
    """
    if vectors.dtype == np.float16:
        return _of_halves(vectors.view(np.int16), query)
    scores: Floats = np.dot(vectors, query)
    return scores


def _of_halves(bits: NDArray[np.int16], query: Floats) -> Floats:
    """The same of float16 values, given as their bits.

    Moved by 13 places, sign, exponent and fraction of a float16 lie where a float32 has them, whose exponent counts
    from 112 lower: so that is the value times 2^-112, exactly (denormal ones too), and the query makes up for it.
    """
    scores = np.empty(len(bits), dtype=np.float32)
    wide = np.empty((min(_ROWS_AT_ONCE, len(bits)), bits.shape[1]), dtype=np.int32)
    scaled = query * _BIAS
    for start in range(0, len(bits), _ROWS_AT_ONCE):
        part = bits[start : start + _ROWS_AT_ONCE]
        rows = wide[: len(part)]
        np.copyto(rows, part)
        np.left_shift(rows, 13, out=rows)
        np.bitwise_and(rows, _SIGN_AND_REST, out=rows)
        np.dot(rows.view(np.float32), scaled, out=scores[start : start + len(part)])
    return scores
