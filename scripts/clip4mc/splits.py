"""The split: which sample is for training, validation or testing."""

import json
from collections.abc import Sequence
from pathlib import Path

from scripts.shared.errors import JobError
from scripts.shared.selection import keyed_hash

SPLITS = ("train", "val", "test")
_HASHES = 2**64
_VAL_FROM, _TEST_FROM = 0.8, 0.9
_MIN_GROUPS = 3


def split_samples(groups: Sequence[str], *, mode: str, seed: int) -> tuple[list[str], str]:
    """Give every sample a split.

    Args:
        groups: what is kept together of each sample: its own key, or its video's id.
        mode: `random` (80 % train, 10 % val, 10 % test), `all_train` or `all_test`.
        seed: of the hash that decides; adding samples moves no other.

    Returns:
        The split of each sample, and a note where a small set needed one moved (else empty).
    """
    if mode != "random":
        return [mode.removeprefix("all_")] * len(groups), ""
    # A hash of its own: `select: random` keeps the smallest of the plain one.
    hashes = {group: keyed_hash(seed, f"split {group}") for group in groups}
    split_of = {group: _split(value / _HASHES) for group, value in hashes.items()}
    note = _fill_empty(split_of, hashes)
    return [split_of[group] for group in groups], note


def _split(fraction: float) -> str:
    if fraction < _VAL_FROM:
        return "train"
    return "val" if fraction < _TEST_FROM else "test"


def _fill_empty(split_of: dict[str, str], hashes: dict[str, int]) -> str:
    """Move the groups of smallest hash where val or test has none; says which."""
    moved = []
    for split in ("val", "test"):
        if len(split_of) >= _MIN_GROUPS and split not in split_of.values():
            fullest = _fullest(split_of)
            donors = [group for group, held in split_of.items() if held == fullest]
            group = min(donors, key=lambda donor: (hashes[donor], donor))
            split_of[group] = split
            moved.append(f"{group} to {split}")
    return f"a small set: moved {' and '.join(moved)}, so that none is empty" if moved else ""


def _fullest(split_of: dict[str, str]) -> str:
    held = list(split_of.values())
    return max(SPLITS, key=held.count)


def read_splits(info: Path) -> dict[str, list[str]]:
    """The sample folders of each split, as a `dataset_info.json` names them.

    Raises:
        JobError: it cannot be read, or is no such file.
    """
    try:
        held = json.loads(info.read_text(encoding="utf-8"))
        return {split: [str(folder) for folder in held[split]] for split in SPLITS}
    except OSError as error:
        raise JobError(f"{info}: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise JobError(
            f"{info}: no lists of {', '.join(SPLITS)} ({error}); delete it and run again: it is made anew"
        ) from error
