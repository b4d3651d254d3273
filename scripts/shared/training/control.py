"""The control of a training: captions that belong to others. What is learnt then is nothing."""

import numpy as np
from numpy.typing import NDArray

_STREAM = 1  # keeps these draws apart from those of the orders


def strange_captions(n: int, seed: int) -> NDArray[np.int64]:
    """(n,) for each of n items the one whose caption it gets: never its own where there are two."""
    ring = np.random.default_rng([_STREAM, seed]).permutation(n)
    others = np.empty_like(ring)
    others[ring] = np.roll(ring, 1)
    return others
