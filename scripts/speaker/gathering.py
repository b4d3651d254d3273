"""Embeddings that were made elsewhere, gathered into the array that the boundary search reads (`embeddings_dir`)."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.shared import atomic_files
from scripts.shared.dataset_dir import dataset_dir
from scripts.shared.errors import JobError, PlanningError
from scripts.shared.file_names import NO_NAME
from scripts.shared.file_tree import find_files
from scripts.shared.fingerprints import digest_file, stat_source
from scripts.shared.index_files import Failure, counts, write_failures
from scripts.shared.planning.plan_file import empty_file
from scripts.shared.safe_pickle import UnsafePickleError, loads
from scripts.shared.selection import choose, parse_selection
from scripts.speaker.array_files import Recording, new_array, write_tables
from scripts.speaker.collection import natural_key, order_list, read_order
from scripts.speaker.embedding_file import EmbeddingFileError, checked_embedding

_SUFFIX = ".pkl"


@dataclass(frozen=True)
class Gathering:
    """What the job is asked.

    Attributes:
        label: the dataset in words.
        embeddings_dir: a folder tree of pickles, or one pickle that holds a list.
        order, order_csv, select, seed: of the configuration; no `order_csv` is "".
        seen: digest of what the pickles, and the files that `order_csv` and `select` name, looked like when planned.
    """

    label: str
    embeddings_dir: str
    order: str
    order_csv: str
    select: str | list[str]
    seed: int
    seen: str


class _Held(NamedTuple):
    """What is kept of a pickle, since a million are kept at once."""

    embedding: NDArray[np.float32]
    model: str
    duration: float | None


def settle_gathering(config: Mapping[str, Any], name: str, path: Path, *, scratch: Path | None) -> Path:
    """Write what a job is asked to gather, where it differs from what it was asked before.

    Args:
        config: the whole configuration.
        name: a dataset with `embeddings_dir`.
        path: where it belongs, below the dataset's work folder.
        scratch: None in a real run; else a folder for an empty file, and nothing else is written.

    Returns:
        The file that the job takes as input.

    Raises:
        ConfigError: order and order_csv do not fit, or the folder is another dataset's.
        PlanningError: the embeddings cannot be seen.
    """
    dataset_dir(config, "speaker", name)
    dataset = config["speaker"]["datasets"][name]
    order_csv = order_list(dataset, name)
    named = [order_csv] if order_csv else []
    if (listed := parse_selection(dataset["select"]).path) is not None:
        named.append(listed)
    asked = Gathering(
        label=f"speaker {name}",
        embeddings_dir=dataset["embeddings_dir"],
        order=dataset["order"],
        order_csv=str(order_csv or ""),
        select=dataset["select"],
        seed=dataset["seed"],
        seen=_seen(Path(dataset["embeddings_dir"]), named),
    )
    text = json.dumps(asdict(asked), indent=2, sort_keys=True) + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return path
    if scratch is not None:
        return empty_file(scratch, f"speaker-{name}-embeddings.plan-changed")
    atomic_files.write_text(path, text)
    return path


def _seen(place: Path, named: Iterable[Path]) -> str:
    digest = hashlib.blake2b(os.path.abspath(place).encode(errors="surrogateescape"), digest_size=16)
    for path in pickles(place):
        digest.update(b"%s\0%d %d\n" % (os.fsencode(path), *stat_source(path)))
    for path in named:
        digest.update(digest_file(path).encode() if path.is_file() else b"-")
    return digest.hexdigest()


def pickles(place: Path) -> list[Path]:
    """The pickle that `place` is, or those below it by path.

    Raises:
        PlanningError: there is none, or a folder cannot be read or contains itself by a link.
    """
    if place.is_file():
        return [place]
    found = [place / name for name in find_files(place, {_SUFFIX}, option="embeddings_dir")]
    if not found:
        raise PlanningError(f"{place}: no {_SUFFIX} file there; does embeddings_dir name the embeddings?")
    return sorted(found)


def gather(request: Path, *, outputs: Mapping[str, Path]) -> None:
    """Read all pickles and write the index files.

    Args:
        request: from `settle_gathering`.
        outputs: `embeddings` (`embeddings.npy`), `table` (`embeddings.csv`), `files` (`files.csv`), `failures` and
            `summary`.

    Raises:
        JobError: no embedding can be read, or they are of two models.
        PlanningError: the pickles or the order cannot be read.
        ConfigError: `select` cannot be followed.
    """
    asked = Gathering(**json.loads(request.read_text(encoding="utf-8")))
    held: dict[str, _Held] = {}
    failed: dict[str, Failure] = {}
    for where, value in _values(Path(asked.embeddings_dir)):
        try:
            if isinstance(value, Exception):
                raise EmbeddingFileError(f"{where}: {value}") from value
            found = checked_embedding(value, where)
            if NO_NAME.search(found["relative_path"]):
                raise EmbeddingFileError(f"{where}: 'relative_path' holds control characters or is not UTF-8")
            if found["relative_path"] in held:
                raise EmbeddingFileError(
                    f"{where}: 'relative_path' is {found['relative_path']}, and so it is in an earlier one"
                )
            held[found["relative_path"]] = _Held(
                found["embedding"], intern(found.get("model", "")), found.get("duration")
            )
        except EmbeddingFileError as error:
            failed[where] = Failure(where, where, "bad_embedding", str(error))
    if not held:
        first = next(iter(failed.values())).message if failed else "the list is empty"
        raise JobError(f"[{asked.label}] {asked.embeddings_dir}: no embedding in it can be used: {first}")
    _refuse_mixture(asked, held)
    recordings, failures = _in_order(asked, held, failed)
    made = [held[at.relative_path].embedding for at in recordings if at.row is not None]
    dim = len(made[0]) if made else 0
    with new_array(outputs["embeddings"], len(made), dim) as array:
        for row, embedding in enumerate(made):
            array[row] = embedding
    write_tables(recordings, table=outputs["table"], files=outputs["files"])
    write_failures(outputs["failures"], failures)
    atomic_files.write_json(
        outputs["summary"],
        {
            "ok": len(made),
            "failed": len(failures),
            "errors": counts(failure.error for failure in failures),
            "model": next((of.model for of in held.values() if of.model), ""),
        },
    )


def _values(place: Path) -> Iterator[tuple[str, Any]]:
    """Yield what each pickle, or each member of the one pickle's list, holds, with a name for it; or its error."""
    files = pickles(place)
    for path in files:
        where = NO_NAME.sub("?", str(path.relative_to(place)) if place.is_dir() else path.name)
        try:
            if path.exists() and not path.is_file():  # a named pipe would be waited on, a device read for ever
                raise EmbeddingFileError("is no regular file")
            value = loads(path.read_bytes())
        except EmbeddingFileError as error:
            yield where, error
        except OSError as error:
            yield where, EmbeddingFileError(error.strerror)
        except UnsafePickleError as error:
            yield where, error
        else:
            if isinstance(value, list):
                yield from ((f"{where}[{number}]", member) for number, member in enumerate(value))
            else:
                yield where, value


def _refuse_mixture(asked: Gathering, held: Mapping[str, _Held]) -> None:
    """Refuse embeddings that cannot be compared.

    Raises:
        JobError: they are of two models, or of two lengths.
    """
    for what, kinds in (
        ("models", Counter(of.model for of in held.values() if of.model)),
        ("lengths", Counter(f"{len(of.embedding)} numbers" for of in held.values())),
    ):
        if len(kinds) > 1:
            both = " and ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common())
            raise JobError(
                f"[{asked.label}] {asked.embeddings_dir} holds embeddings of {len(kinds)} {what}: {both}; these cannot "
                "be compared: keep one kind in the folder"
            )


def _in_order(
    asked: Gathering, held: Mapping[str, _Held], failed: Mapping[str, Failure]
) -> tuple[list[Recording], list[Failure]]:
    """The recordings of the collection with their rows, and the failures among them."""
    missing: dict[str, Failure] = {}
    if asked.order == "csv":
        names = list(dict.fromkeys(read_order(Path(asked.order_csv))))
        for name in names:
            if name not in held and name not in failed:
                missing[name] = Failure(name, name, "no_embedding", f"{name}: no pickle in embeddings_dir is of it")
    else:
        names = sorted({*held, *failed}, key=natural_key if asked.order == "natural" else None)
    chosen = [names[place] for place in choose(names, select=asked.select, seed=asked.seed)]
    recordings: list[Recording] = []
    row = 0
    for name in chosen:
        if name in held:
            recordings.append(Recording(name, row, held[name].duration))
            row += 1
        else:
            recordings.append(Recording(name, None))
    failures = [failure for name in chosen if (failure := failed.get(name) or missing.get(name))]
    if asked.order == "csv":  # it names recordings, and of which one a damaged pickle is, nobody knows
        failures += [failed[name] for name in sorted(failed.keys() - set(names))]
    return recordings, failures
