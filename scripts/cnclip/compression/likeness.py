"""How near a form of a model is to the model itself, on pictures and texts made up for it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.compression.halves import Side

Features = NDArray[np.float32]
BATCH_SIZES = (1, 2, 5)
# Least cosine, over all rows, of a form's vectors with torch's. INT8's is about being broken: what it costs is told by
# the recall beside it, on real pictures.
LEAST_COSINE = {"onnx_fp32": 1 - 1e-9, "onnx_fp16": 0.9995, "onnx_int8": 0.9, "tensorrt": 0.9995}
_CLASS, _SEPARATOR, _FIRST_WORD = 101, 102, 106  # of Chinese BERT's vocabulary
_PATCH_EDGE = 4


class Likeness(NamedTuple):
    """How near vectors are to others.

    Attributes:
        max_difference: largest absolute difference of two elements of unit vectors.
        least_cosine: of a vector with the other, over all rows.
        mean_cosine: likewise.
    """

    max_difference: float
    least_cosine: float
    mean_cosine: float

    def within(self, form: str) -> bool:
        """Whether it is what such a form should be; not where there are NaN."""
        return self.least_cosine >= LEAST_COSINE[form]


def likeness(found: Features, wanted: Features) -> Likeness:
    """Compare vectors (n, D) row by row, in float64; their lengths do not matter."""
    a, b = unit(found), unit(wanted)
    cosines = (a * b).sum(1)
    return Likeness(float(np.abs(a - b).max()), float(cosines.min()), float(cosines.mean()))


def unit(rows: Features) -> NDArray[np.float64]:
    """Rows at length one, in float64; NaN where a row is zero."""
    exact = rows.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled: NDArray[np.float64] = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    return scaled


def worst(parts: Sequence[Likeness]) -> Likeness:
    """The largest difference and the least cosine of several; the mean of means."""
    # numpy's extremes hand on a NaN; those of Python may lose it.
    differences, least, means = np.array(parts).T
    return Likeness(float(differences.max()), float(least.min()), float(means.mean()))


def in_batches(run: Callable[[NDArray[Any]], Features], rows: NDArray[Any], size: int) -> Features:
    """Run rows in batches; the last one is as short as it comes."""
    return np.concatenate([run(rows[start : start + size]) for start in range(0, len(rows), size)])


def probe_rows(side: Side, shape: tuple[int, ...], *, vocabulary: int) -> NDArray[Any]:
    """Seven rows of a half's input, always the same for a shape: what a form is compared on.

    Args:
        side: which half.
        shape: of one row, (3, S, S) or (C,).
        vocabulary: number of token ids.

    Returns:
        (7, 3, S, S) float32: coarse patches of colour with a little noise, about as bright as real pictures; or (7, C)
        int64: texts without a word, with one, shorter, one short of full, full, and 10 words, zeros after the end.
    """
    rng = np.random.default_rng(20260721)
    if side == "img":
        size = shape[-1]
        patches = rng.normal(size=(7, shape[0], _PATCH_EDGE, _PATCH_EDGE))
        places = np.arange(size) * _PATCH_EDGE // size
        pictures: NDArray[np.float32] = patches[:, :, places][:, :, :, places].astype(np.float32)
        return pictures + rng.normal(scale=0.1, size=(7, *shape)).astype(np.float32)
    longest = shape[0]
    ids = np.zeros((7, longest), np.int64)
    for row, length in zip(ids, (2, 3, longest // 2, longest - 1, longest, min(12, longest), longest), strict=True):
        row[:length] = rng.integers(min(_FIRST_WORD, vocabulary - 1), vocabulary, length)
        row[0], row[length - 1] = min(_CLASS, vocabulary - 1), min(_SEPARATOR, vocabulary - 1)
    return ids
