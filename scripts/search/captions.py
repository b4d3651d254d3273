"""What people say of some assets, and how like it the encoder finds them: where the default of the least score is from.

{"path": "pictures/cat.jpg", "zh": "一只猫的脸部特写", "en": "a close-up of a cat's face"}
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.encoder import ImageTextEncoder
from scripts.shared import atomic_files
from scripts.shared.errors import JobError, PlanningError
from scripts.shared.json_items import BrokenItemError, read_items

LANGUAGES = ("zh", "en")
_PERCENTILE = 5  # of the scores of what fits: nineteen of twenty are above the least score


class Caption(NamedTuple):
    """A text that fits an asset."""

    path: str
    language: str
    text: str


class EncodedCaptions(NamedTuple):
    """Captions and their vectors.

    Attributes:
        paths: of the assets.
        languages: of the captions, such as "zh".
        features: (n, D) float32, unit rows.
        identity: of the encoder.
    """

    paths: tuple[str, ...]
    languages: tuple[str, ...]
    features: NDArray[np.float32]
    identity: str


def read_captions(path: Path) -> list[Caption]:
    """Read the captions of a file, in its order.

    Args:
        path: JSON Lines, or a JSON list, of objects with `path` and a text under `zh`, `en` or both.

    Raises:
        JobError: the file cannot be read, or an item is wrong; names it and the mend.
    """
    try:
        return [caption for number, item in enumerate(read_items(path), 1) for caption in _captions(path, number, item)]
    except PlanningError as error:
        raise JobError(str(error)) from error


def _captions(path: Path, number: int, item: Any) -> Iterator[Caption]:
    where = f"{path}: caption {number}"
    if isinstance(item, BrokenItemError) or not isinstance(item, dict):
        raise JobError(f"{where}: {item if isinstance(item, BrokenItemError) else 'is no object'}")
    texts = {language: item[language] for language in LANGUAGES if language in item}
    if not isinstance(item.get("path"), str) or not texts:
        raise JobError(f'{where}: needs a "path" (folder name/path) and a text under {" or ".join(LANGUAGES)}')
    for language, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise JobError(f"{where}: {language!r} is {text!r:.60}, which is no text")
        yield Caption(item["path"], language, text)


def encode_captions(path: Path, encoder: ImageTextEncoder, output: Path) -> None:
    """Encode the captions of a file.

    Args:
        path: see `read_captions`.
        encoder: of texts.
        output: `.npz`, read by `read_encoded`.

    Raises:
        JobError: see `read_captions`.
    """
    captions = read_captions(path)
    with atomic_files.open_new(output) as file:
        np.savez(
            file,
            allow_pickle=False,
            paths=np.array([caption.path for caption in captions], np.str_),
            languages=np.array([caption.language for caption in captions], np.str_),
            features=encoder.encode_text([caption.text for caption in captions]),
            identity=np.array(encoder.identity, np.str_),
        )


def read_encoded(path: Path) -> EncodedCaptions:
    """Read what `encode_captions` wrote.

    Raises:
        JobError: the file is absent or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return EncodedCaptions(
                tuple(arrays["paths"].tolist()),
                tuple(arrays["languages"].tolist()),
                arrays["features"],
                str(arrays["identity"]),
            )
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise JobError(f"{path}: no captions ({error}); remove it and run again: it is made anew") from error


def matching_scores(captions: EncodedCaptions, vectors: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Cosines of captions with their own assets.

    Args:
        captions: n of them.
        vectors: by path, (frames, D) unit rows; of a video the frame counts that is most like the caption.

    Returns:
        (m,) float32, of the captions whose asset has vectors.
    """
    pairs = zip(captions.paths, captions.features, strict=True)
    scores = [np.max(vectors[path] @ feature) for path, feature in pairs if path in vectors]
    return np.array(scores, np.float32)


def least_score(scores: Iterable[float] | NDArray[np.float32]) -> float | None:
    """The score that nineteen of twenty matching pairs reach; None where there is no pair."""
    found: Sequence[float] = list(scores)
    return round(float(np.percentile(found, _PERCENTILE)), 4) if found else None
