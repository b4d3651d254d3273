"""A small part of the records in which every class has its place, for a first trial."""

from collections import defaultdict
from functools import partial
from itertools import zip_longest
from pathlib import Path

from scripts.fgclip.data.records import Item, Records, read_records
from scripts.shared import atomic_files
from scripts.shared.errors import JobError
from scripts.shared.selection import keyed_hash


def stratified(records: Records, n: int, seed: int) -> Records:
    """Choose videos, as many anomalous as normal ones, and of every class in turn.

    The first n of a list would be of one class and all of one kind, since lists are sorted by class.

    Args:
        records: the whole.
        n: videos to choose; fewer where there are not as many.
        seed: of the hash that decides within a class.

    Returns:
        The items of the chosen videos, in their order. Videos that are added later displace few of them.
    """
    items_of: dict[str, list[Item]] = defaultdict(list)
    for item in records.items:
        items_of[item.video].append(item)
    videos_of: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for key, items in items_of.items():
        videos_of[any(item.anomalous for item in items), items[0].category].append(key)
    kinds = []
    for kind in (True, False):
        categories = sorted((name for of, name in videos_of if of == kind), key=partial(keyed_hash, seed))
        strata = [sorted(videos_of[kind, name], key=partial(keyed_hash, seed)) for name in categories]
        kinds.append(_in_turn(strata))
    chosen = set(_in_turn(kinds)[:n])
    kept = tuple(item for item in records.items if item.video in chosen)
    return Records({key: video for key, video in records.videos.items() if key in chosen}, kept)


def write_subset(records: Path, subset: Path, *, n: int, seed: int) -> None:
    """Write a subset of `records.json`, which is read as that is.

    Args:
        records: the whole.
        subset: the file to write.
        n: videos to choose.
        seed: see `stratified`.

    Raises:
        JobError: `records` cannot be read, or holds no item.
    """
    whole = read_records(records)
    if not whole.items:
        raise JobError(f"{records}: no item of the list can be used; see validation.html beside it")
    chosen = stratified(whole, n, seed)
    atomic_files.write_json(subset, {**chosen.as_json(), "subset": {"videos": n, "seed": seed, "of": whole.digest}})


def _in_turn(lists: list[list[str]]) -> list[str]:
    """The first of each list, then the second of each, and so on."""
    return [key for keys in zip_longest(*lists) for key in keys if key is not None]
