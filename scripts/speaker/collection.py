"""The recordings of a collection in their order, each with the place of its embedding. Light: the planner reads it."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from scripts.shared import layout
from scripts.shared.csv_errors import csv_errors
from scripts.shared.errors import ConfigError, PlanningError
from scripts.shared.file_names import BAD_NAME, MAX_NAME_BYTES, NO_NAME, free_key, shown_name
from scripts.shared.file_tree import find_files
from scripts.shared.fingerprints import canonical_json
from scripts.shared.json_items import refuse_unless_file
from scripts.shared.planning.members import read_members
from scripts.shared.planning.stage import SourceEntry

SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac", ".wma"})
EMBEDDINGS = "embeddings"
_NO_PART = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")  # an empty part of a path, . or ..
_NUMBER = re.compile(r"(\d+)")


class Collection:
    """The recordings below a folder.

    Args:
        input_dir: the folder; its hidden files and folders are no part of the collection.
        order: `path`, `natural` or `csv`.
        order_csv: for `csv`: a file with the column `relative_path`.
    """

    def __init__(self, input_dir: Path, order: str, order_csv: Path | None) -> None:
        self._input_dir, self._order, self._order_csv = input_dir, order, order_csv
        self._remarks: list[str] = []

    def read(self) -> list[SourceEntry]:
        """The recordings in their order; those that cannot be samples carry their error.

        Raises:
            PlanningError: the folder, one below it, or the CSV cannot be read; or there is no recording.
        """
        self._remarks = []
        found = sorted(find_files(self._input_dir, SUFFIXES, option="input_dir"))
        names = found if self._order_csv is None else list(read_order(self._order_csv))
        if not names:
            where = self._order_csv or self._input_dir
            raise PlanningError(f"{where}: no recording ({' '.join(sorted(SUFFIXES))}) in it; is input_dir right?")
        if self._order_csv is not None:
            left_out = len(set(found).difference(names))
            if left_out:
                self._remarks.append(f"{left_out:,} recordings in {self._input_dir} are not in {self._order_csv}")
        elif self._order == "natural":
            names = sorted(names, key=natural_key)
        elif (place := _unnatural(names)) is not None:
            self._remarks.append(
                f"path order takes {names[place]} before {names[place + 1]}; is that the order of the recordings? "
                "order: natural takes numbers as numbers"
            )
        return list(_entries(names))

    def remarks(self) -> list[str]:
        """What the user should know of the collection that was read, a line each."""
        return self._remarks


def order_list(dataset: Mapping[str, Any], name: str) -> Path | None:
    """The file that gives a dataset's order; None where the paths do.

    Args:
        dataset: its options `order` and, for `csv`, `order_csv`.
        name: of the dataset.

    Raises:
        ConfigError: the two do not go together.
    """
    if (dataset["order"] == "csv") != ("order_csv" in dataset):
        raise ConfigError(
            f"speaker.datasets.{name}: order: csv and order_csv, the file to take the order from, go together"
        )
    return Path(dataset["order_csv"]) if "order_csv" in dataset else None


def read_order(path: Path) -> Iterator[str]:
    """Yield the column `relative_path` of a CSV.

    Raises:
        PlanningError: it cannot be read, or has no such column.
    """
    with csv_errors(path, PlanningError, "does order_csv name the file?"):
        refuse_unless_file(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if "relative_path" not in (rows.fieldnames or ()):
                raise PlanningError(f"{path}: its first line must name the column relative_path")
            yield from (row["relative_path"] or "" for row in rows)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sorts names with their numbers as numbers; equal ones, such as 01 and 1, by the name itself."""
    parts: list[str | int] = list(_NUMBER.split(name))
    parts[1::2] = [int(number) for number in parts[1::2]]
    return parts, name


def _unnatural(names: list[str]) -> int | None:
    """The first place whose successor comes before it in natural order."""
    last: tuple[list[str | int], str] = ([], "")
    for place, name in enumerate(names):
        key = natural_key(name)
        if key < last:
            return place - 1
        last = key
    return None


def _entries(names: list[str]) -> Iterator[SourceEntry]:
    whys = [_why_not(name) for name in names]
    outputs = embedding_files(name for name, why in zip(names, whys, strict=True) if not why)
    seen: set[str] = set()
    for place, (name, wrong) in enumerate(zip(names, whys, strict=True)):
        if not wrong and name in seen:
            wrong = ("duplicate", "is listed twice; take one line out")
        output = outputs.get(name, "")
        if not wrong and len(output.rpartition("/")[2].encode()) > MAX_NAME_BYTES:
            wrong = ("bad_name", "is so long that its embedding could not be named after it; shorten it")
        if not wrong and not output:
            wrong = ("name_clash", "its embedding would have the name of a folder; rename it")
        if wrong:
            shown = shown_name(name)
            entry = {"error": [wrong[0], f"{shown or 'an empty path'}: {wrong[1]}"]}
            key = free_key(place, name, seen)
            seen.add(key)
            yield SourceEntry(key, "", canonical_json(entry))
        else:
            seen.add(name)
            yield SourceEntry(name, name, canonical_json({"source": name, "files": [f"{EMBEDDINGS}/{output}"]}))


def _why_not(name: str) -> tuple[str, str] | None:
    """Why a path can be no sample: error class and words."""
    if NO_NAME.search(name):
        return BAD_NAME
    if _NO_PART.search(name):
        return "bad_name", "must be a path relative to input_dir, without . or .."
    return None


def embedding_files(names: Iterable[str]) -> dict[str, str]:
    """The pickle of each recording: its path with .pkl for its suffix, or behind it where two would share one.

    Args:
        names: relative paths of recordings.

    Returns:
        Path of the pickle, relative to the folder of embeddings, by recording. Where it would also be the name of a
        folder, the recording is left out.
    """
    names = list(dict.fromkeys(names))
    parents = {name.rpartition("/")[0] for name in names}
    folders = parents.union(above.as_posix() for parent in parents for above in PurePosixPath(parent).parents)
    short = {name: f"{name.rpartition('.')[0]}.pkl" for name in names}
    whole: set[str] = set()
    while True:
        chosen = {name: f"{name}.pkl" if name in whole else short[name] for name in names}
        uses = Counter(chosen.values())
        clash = {n for n, path in chosen.items() if n not in whole and (uses[path] > 1 or path in folders)}
        if not clash:
            return {name: path for name, path in chosen.items() if path not in folders}
        whole |= clash


def check_not_gone(
    found: Iterable[SourceEntry], dataset_dir: Path, *, label: str, input_dir: Path, max_gone_fraction: float
) -> None:
    """Stop where a folder shows far fewer recordings than before: it may not be mounted.

    Raises:
        PlanningError: more than the fraction of the recordings on record are gone.
    """
    known = read_members(layout.members_file(dataset_dir), []).shard_of
    gone = len(known.keys() - {entry.key for entry in found})
    if gone > max_gone_fraction * len(known):
        raise PlanningError(
            f"{label}: {gone:,} of {len(known):,} recordings that were there before cannot be seen now in {input_dir}: "
            "is it mounted? Nothing was changed. --config sources_gone=ok goes on without them, "
            "and the target speaker_prune with it forgets them"
        )
