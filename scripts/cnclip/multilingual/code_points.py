"""Token ids of encoders that cut texts each in its own way: the code points of a text. Light."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.tokens import normalise

MOST_CHARACTERS = 512


def as_read(text: str) -> str:
    """A text as it comes to an encoder, in training and later: normalised, and not longer than ids allow."""
    return normalise(text).replace("\0", " ")[:MOST_CHARACTERS]


def code_points(texts: Sequence[str]) -> NDArray[np.int64]:
    """Code points of captions, (n, MOST_CHARACTERS) int64, zeros after the end; longer texts are cut."""
    ids = np.zeros((len(texts), MOST_CHARACTERS), dtype=np.int64)
    for row, text in zip(ids, texts, strict=True):
        points = [ord(mark) for mark in as_read(text)]
        row[: len(points)] = points
    return ids


def texts_of(ids: NDArray[np.int64]) -> list[str]:
    """The texts of ids as `code_points` gives them."""
    return ["".join(map(chr, row[row != 0].tolist())) for row in ids]
