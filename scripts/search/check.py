"""Whether finished vectors and the index of a dataset hold what they should: `search_verify`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.search.database import OK, open_database
from scripts.search.places import DATABASE
from scripts.search.vectors_file import parse_vectors
from scripts.shared.errors import JobError
from scripts.shared.pickle_head import HEAD_BYTES

_ZIP = b"PK\x03\x04"
_UNIT_WITHIN = 1e-3


def vectors_checker(_settings: Mapping[str, Any]) -> Callable[[Mapping[str, bytes]], str]:
    """Make the check of the vectors of one asset.

    Returns:
        A function of a sample's files with their content. It says what is wrong with them, and nothing where they are
        right. Of a large file, of which only the beginning is at hand, its kind alone is checked.
    """

    def check(files: Mapping[str, bytes]) -> str:
        for name, content in files.items():
            if not content.startswith(_ZIP):
                return f"{name}: no vectors"
            if len(content) != HEAD_BYTES and (wrong := _wrong(content)):
                return f"{name}: {wrong}"
        return "" if files else "no file on record"

    return check


def listed_assets(dataset_dir: Path) -> list[str]:
    """The assets with vectors that a dataset's `assets.db` names, after a look at all of its vectors.

    Raises:
        JobError: it cannot be read, or a vector belongs to none of them.
    """
    path = dataset_dir / DATABASE
    with open_database(path) as database:
        assets = {asset.id: asset.path for asset in database.assets() if asset.status == OK}
        features, ids, _ = database.vectors()
    if set(ids.tolist()) != assets.keys():
        raise JobError(f"{path}: its assets and its vectors do not belong together; make it again with search_index")
    if len(features) and not np.allclose(np.linalg.norm(features.astype(np.float32), axis=1), 1, atol=_UNIT_WITHIN):
        raise JobError(f"{path}: holds a vector that is none of unit length; make it again with search_index")
    return list(assets.values())


def _wrong(content: bytes) -> str:
    try:
        features, times = parse_vectors(content)
    except ValueError as error:
        return f"cannot be read: {error}"
    if not np.allclose(np.linalg.norm(features, axis=1), 1, atol=_UNIT_WITHIN):
        return "holds a vector that is none of unit length"
    return "" if (np.diff(times) > 0).all() else "the times of its frames do not ascend"
