"""Whether finished embeddings and the index of a collection hold what they should: `speaker_verify`."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scripts.shared.errors import JobError
from scripts.shared.safe_pickle import UnsafePickleError, loads
from scripts.speaker.array_files import read_array
from scripts.speaker.embedding_file import EmbeddingFileError, checked_embedding


def sample_checker(settings: Mapping[str, Any]) -> Callable[[Mapping[str, bytes]], str]:
    """Make the check of one embedding.

    Args:
        settings: as `stage.byte_settings` gives them.

    Returns:
        A function of a sample's files with their content. It says what is wrong with them, and nothing where they are
        right.
    """
    model = f"{settings['model']}:{settings['model_digest']}"

    def check(files: Mapping[str, bytes]) -> str:
        for name, content in files.items():
            try:
                found = checked_embedding(loads(content), name)
            except (UnsafePickleError, EmbeddingFileError) as error:
                return str(error)
            if found.get("model") != model:
                return f"{name}: 'model' is {found.get('model')!r:.80}, not {model}"
        return "" if files else "no file on record"

    return check


def listed_recordings(dataset_dir: Path) -> list[str]:
    """The recordings that a dataset's `embeddings.csv` names, after a look whether `embeddings.npy` has a row for each.

    Raises:
        JobError: one of the two cannot be read, or they do not belong together.
    """
    table, array = dataset_dir / "embeddings.csv", dataset_dir / "embeddings.npy"
    try:
        with table.open(encoding="utf-8", newline="") as file:
            listed = [row["relative_path"] for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError) as error:
        raise JobError(f"{table}: cannot be read: {error}") from error
    n_rows = len(read_array(array))
    if n_rows != len(listed):
        raise JobError(f"{table} has {len(listed):,} rows, {array.name} {n_rows:,}")
    return listed
