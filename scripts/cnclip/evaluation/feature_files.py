"""Features on the disk: parts by shard, the whole by split, and the official JSON Lines.

The whole of a split is a folder of `image_ids.npy`, `image_features.npy`, `text_ids.npy`, `text_features.npy` and
`facts.json`. Its gallery is in the order of an LMDB, that is of the decimal ids as bytes (100, 1000000001, 12), which
decides between equal scores; texts are in the order of their file.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from scripts.shared import atomic_files
from scripts.shared.errors import JobError

IMAGES, TEXTS = "image", "text"
FACTS, TIMINGS = "facts.json", "timings.json"
AGAIN = "remove it and run again: it is made anew"

Features = NDArray[np.float32]
Ids = NDArray[np.int64]


class Part(NamedTuple):
    """Features of some pictures or texts.

    Attributes:
        ids: (n,) int64.
        features: (n, D) float32, unit rows.
        failed: class of the error by id, of those without features.
        facts: what they were made with and from; all parts of one split agree.
        timings: what making them took.
    """

    ids: Ids
    features: Features
    failed: Mapping[int, str]
    facts: Mapping[str, Any]
    timings: Mapping[str, float]


class SplitFeatures(NamedTuple):
    """All features of a split, the large ones as memory maps; see `Part`."""

    image_ids: Ids
    image_features: Features
    text_ids: Ids
    text_features: Features
    facts: Mapping[str, Any]


def write_part(path: Path, part: Part) -> None:
    """Write a part; equal parts give equal bytes but for the timings, which lie beside it."""
    with atomic_files.open_new(path) as file:
        np.savez(
            file,
            allow_pickle=False,
            ids=part.ids,
            features=part.features,
            failed_ids=np.array(list(part.failed), np.int64),
            failed_errors=np.array(list(part.failed.values()), np.str_),
            facts=np.array(json.dumps(dict(part.facts), sort_keys=True)),
        )
    atomic_files.write_json(_timings_of(path), dict(part.timings))


def read_part(path: Path) -> Part:
    """Read what `write_part` wrote.

    Raises:
        JobError: the file is absent or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            failed = dict(zip(arrays["failed_ids"].tolist(), arrays["failed_errors"].tolist(), strict=True))
            facts = json.loads(str(arrays["facts"]))
            ids, features = arrays["ids"], arrays["features"]
        timings = json.loads(_timings_of(path).read_bytes()) if _timings_of(path).exists() else {}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise JobError(f"{path}: no features ({error}); {AGAIN}") from error
    if ids.ndim != 1 or features.dtype != np.float32 or features.shape != (len(ids), facts.get("dim")):
        raise JobError(f"{path}: its ids and features do not fit together; {AGAIN}")
    return Part(ids, features, failed, facts, timings)


def _timings_of(path: Path) -> Path:
    return path.with_suffix(f".{TIMINGS}")


def lmdb_order(ids: Ids) -> NDArray[np.int64]:
    """Places of ids in the order of an LMDB, whose keys are their decimal digits: (n,) int64."""
    return np.argsort(ids.astype("S19"), kind="stable")


def read_split(folder: Path) -> SplitFeatures:
    """Open the features of a split.

    Raises:
        JobError: a file is absent or damaged, or they do not fit together.
    """
    facts_path = folder / FACTS
    try:
        facts = json.loads(facts_path.read_bytes())
    except (OSError, ValueError) as error:
        raise JobError(f"{facts_path}: cannot be read ({error}); {AGAIN}") from error
    image_ids, image_features = read_pair(folder, IMAGES)
    text_ids, text_features = read_pair(folder, TEXTS)
    dims = {image_features.shape[1], text_features.shape[1], facts.get("dim")}
    if len(dims) != 1:
        raise JobError(f"{folder}: pictures, texts and facts.json differ in length of vectors; remove it and run again")
    return SplitFeatures(image_ids, image_features, text_ids, text_features, facts)


def read_pair(folder: Path, kind: str) -> tuple[Ids, Features]:
    """Open the ids and features of pictures or texts.

    Args:
        folder: of the split.
        kind: `IMAGES` or `TEXTS`.

    Raises:
        JobError: a file is absent or damaged, or they do not fit together.
    """
    ids_path, features_path = pair_paths(folder, kind)
    try:
        # Not np.load, which takes what begins like an archive for one.
        ids = np.array(np.lib.format.open_memmap(ids_path, mode="r"))
        features = np.lib.format.open_memmap(features_path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise JobError(f"{features_path}: cannot be read ({error}); remove its folder and run again") from error
    if ids.dtype != np.int64 or features.dtype != np.float32 or features.shape[:1] != ids.shape or features.ndim != 2:
        raise JobError(f"{features_path}: holds {features.dtype} {features.shape} for {len(ids)} ids; {AGAIN}")
    return ids, features


def pair_paths(folder: Path, kind: str) -> tuple[Path, Path]:
    """Files of the ids and of the features; see `read_pair`."""
    return folder / f"{kind}_ids.npy", folder / f"{kind}_features.npy"


def official_lines(kind: str, ids: Sequence[int] | Ids, features: Features) -> Iterator[str]:
    """Lines of `{split}_imgs.img_feat.jsonl` or `{split}_texts.txt_feat.jsonl`."""
    for number, feature in zip(ids, features, strict=True):
        yield json.dumps({f"{kind}_id": int(number), "feature": feature.tolist()}) + "\n"


def read_official(path: Path, kind: str) -> tuple[Ids, Features]:
    """Read an official feature file, as other programs give it.

    Args:
        path: the file.
        kind: `IMAGES` or `TEXTS`.

    Returns:
        (n,) int64 ids and (n, D) float32 features.

    Raises:
        JobError: a line is of another form, an id stands there twice, or a vector differs in length.
    """
    from scripts.cnclip.evaluation.annotation import read_rows

    ids: dict[int, None] = {}
    rows: list[NDArray[np.float32]] = []
    for number, row in read_rows(path):
        one, feature = row.get(f"{kind}_id"), row.get("feature")
        if type(one) is not int or not isinstance(feature, list) or not feature:
            raise JobError(f'{path}: line {number} is not {{"{kind}_id": whole number, "feature": [numbers]}}')
        if one in ids:
            raise JobError(f"{path}: line {number}: {kind}_id {one} stands there twice")
        try:
            rows.append(np.array(feature, np.float32))
        except (TypeError, ValueError) as error:
            raise JobError(f"{path}: line {number}: 'feature' is no list of numbers") from error
        if rows[-1].shape != rows[0].shape:
            raise JobError(f"{path}: line {number}: {len(feature)} numbers, the first line has {len(rows[0])}")
        ids[one] = None
    if not rows:
        raise JobError(f"{path}: holds no features")
    return np.array(list(ids), np.int64), np.stack(rows)
