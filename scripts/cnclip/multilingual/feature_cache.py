"""Vectors that are computed once: what does not learn gives a text the same one in each epoch."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.shared import atomic_files
from scripts.shared.fingerprints import digest_value

_BLOCK = 4096  # texts a file; a kill costs those of one


def cached_features(
    texts: Sequence[str],
    encode: Callable[[Sequence[str]], NDArray[np.float32]],
    *,
    identity: str,
    folder: Path,
) -> NDArray[np.float32]:
    """Vectors of texts, computed where they are not in the folder yet; each distinct text once.

    Args:
        texts: at least one.
        encode: gives (n, D) float32 for n texts, the same for the same text whatever goes along.
        identity: of what encodes; part of each file's name, as are the texts.
        folder: of the files; made.

    Returns:
        (n, D) float32, in the order of the texts.
    """
    distinct = list(dict.fromkeys(texts))
    blocks = []
    for start in range(0, len(distinct), _BLOCK):
        block = distinct[start : start + _BLOCK]
        path = folder / f"{digest_value([identity, block])}.npy"
        if not path.is_file():
            with atomic_files.open_new(path) as file:
                np.save(file, encode(block), allow_pickle=False)
        blocks.append(np.load(path, allow_pickle=False))
    vectors: NDArray[np.float32] = np.concatenate(blocks)
    place = {text: number for number, text in enumerate(distinct)}
    return vectors[[place[text] for text in texts]]
