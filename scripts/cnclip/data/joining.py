"""Join the splits of a dataset: all that failed, the pictures that two splits share, the summary."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.cnclip.data.picture_list import read_pictures, read_sha1
from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.index_files import Failure, write_failures

_EXAMPLES = 5  # pairs of equal pictures that the summary names


class SplitTables(NamedTuple):
    """Two files that `make_tables` wrote for a split."""

    good_pictures: Path
    rest: Path


class Leak(NamedTuple):
    """A picture that two splits share byte by byte."""

    split: str
    image_id: int
    other_split: str
    other_image_id: int


def join_checks(splits: Mapping[str, SplitTables], *, failures: Path, leakage: Path, summary: Path) -> None:
    """Write what is told of a dataset as a whole.

    Args:
        splits: the tables of each split, in the order in which they are told.
        failures: `failures.csv`, with every picture and text that is left out, and pairs whose picture is absent.
        leakage: `leakage.csv`: pictures that two splits share (each with its first equal one of the other split).
        summary: `summary.json`: `ok`, `failed` and `errors` of pictures and texts together, as the gate reads them;
            `samples`; each split's facts with the digest of its data; and `leakage`, how many are shared.

    Raises:
        JobError: a table is damaged.
    """
    parts = {split: _read_rest(tables.rest) for split, tables in splits.items()}
    facts = {split: part["facts"] for split, part in parts.items()}
    write_failures(failures, (Failure(*row) for part in parts.values() for row in part["failures"]))
    shared: dict[str, Any] = {}
    with atomic_files.open_new(leakage) as file:
        file.write((",".join(Leak._fields) + "\n").encode())
        for split, other in combinations(splits, 2):
            leaks = list(find_leaks(split, splits[split].good_pictures, other, splits[other].good_pictures))
            file.writelines((",".join(map(str, leak)) + "\n").encode() for leak in leaks)
            shared[f"{split}/{other}"] = {
                "pictures": len(leaks),
                "examples": [[leak.image_id, leak.other_image_id] for leak in leaks[:_EXAMPLES]],
            }
    ok, failed = (
        sum(split[kind][state] for split in facts.values() for kind in ("pictures", "texts"))
        for state in ("ok", "failed")
    )
    errors: Counter[str] = Counter()
    for split_facts in facts.values():
        errors.update(split_facts["errors"])
    atomic_files.write_json(
        summary,
        {
            **{"samples": ok + failed, "ok": ok, "failed": failed, "errors": dict(errors.most_common())},
            **{"splits": facts, "leakage": shared},
        },
    )


def find_leaks(split: str, pictures: Path, other: str, other_pictures: Path) -> Iterator[Leak]:
    """Find the pictures of one split that equal one of another byte by byte, in file order.

    Args:
        split: name of the one.
        pictures: its list.
        other: name of the other.
        other_pictures: its list.
    """
    hashes, other_hashes = _hashes(pictures), _hashes(other_pictures)
    known, first = np.unique(other_hashes, return_index=True)
    if not len(known):
        return
    at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    equal = np.flatnonzero(known[at] == hashes)
    ids, other_ids = read_pictures(pictures).image_ids, read_pictures(other_pictures).image_ids
    for here, there in zip(equal.tolist(), first[at[equal]].tolist(), strict=True):
        yield Leak(split, int(ids[here]), other, int(other_ids[there]))


def _hashes(pictures: Path) -> NDArray[np.bytes_]:
    """(n,) S20; they compare as their 20 bytes do, since all are of one length."""
    return np.ascontiguousarray(read_sha1(pictures)).view("S20").reshape(-1)


def _read_rest(path: Path) -> dict[str, Any]:
    try:
        part: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JobError(f"{path}: cannot be read ({error}); remove it and run again") from error
    return part
