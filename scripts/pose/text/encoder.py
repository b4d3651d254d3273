"""What every text encoder offers: captions in, vectors out."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Tokens(NamedTuple):
    """A caption as an encoder reads it.

    Attributes:
        ids: of its tokens, with the ones that mark start and end.
        cut: whether the caption has more than the encoder takes; the last id marks the end all the same.
    """

    ids: list[int]
    cut: bool


class TextEncoder(Protocol):
    """A text encoder that is loaded, on the CPU.

    Attributes:
        dim: D, length of its vectors.
    """

    dim: int

    def tokenize(self, caption: str) -> Tokens:
        """A caption's tokens; any text has some, the empty one too."""
        ...

    def encode_tokens(self, tokens: Tokens) -> NDArray[np.float32]:
        """Vector of a caption's tokens, (D,) float32; equal for equal tokens, whatever was encoded before."""
        ...
