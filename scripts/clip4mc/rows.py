"""The rows of a source list, one sample each: its key, its source file, its caption and sizes.

A row that cannot be a sample still is an entry, with its error: it ends in `failures.csv` and stops nothing.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import canonical_json
from scripts.shared.json_items import BrokenItemError, read_items
from scripts.shared.planning.stage import SourceEntry

Row = dict[str, Any]

_VID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_INDEX = 10**12


def read_rows(
    path: Path, *, word: str, source: Callable[[Row, str], str], more: Callable[[Row, int], Row] | None = None
) -> Iterator[SourceEntry]:
    """Yield one entry a row, in the order of the file.

    Args:
        path: JSON list or JSON Lines of objects with `vid`, `transcript` or `transcript clip`, and optionally `size`
            and `index`.
        word: what messages call a row: `pair`, ...
        source: gives the source file of a row and its key, relative to the stage's folder, or raises `SampleError`.
        more: gives what else the job needs, from the row and its place in the list, or raises `SampleError`.

    Raises:
        PlanningError: the file is no such list.
    """
    used: set[str] = set()
    for position, row in enumerate(read_items(path)):
        entry: Row = {}
        try:
            key = _key(row, position, word)
            if key in used:
                raise SampleError(
                    "duplicate", f"{word} {position}: 'index' and 'vid' are those of an earlier {word}: {key}"
                )
        except SampleError as error:
            key = _free_key(position, used)
            entry["error"] = [error.error, f"{path.name}: {error.message}"]
        else:
            try:
                entry["source"] = source(row, key)
                entry |= {"caption": _caption(row), "size": _sizes(row)}
                if more is not None:
                    entry |= more(row, position)
            except SampleError as error:
                entry["error"] = [error.error, f"{path.name}: {word} {position}: {error.message}"]
        used.add(key)
        yield SourceEntry(key, entry.get("source", ""), canonical_json(entry))


def vid_of(key: str) -> str:
    """The video id in a sample's key."""
    return key.split("_", 2)[2]


def index_of(key: str) -> int:
    """The number in a sample's key."""
    return int(key.split("_", 2)[1])


def explain_moves(gone: list[str], new: list[str]) -> str:
    """Say how many rows only changed their place in the list, which makes them other samples."""
    moved = len({vid_of(key) for key in gone} & {vid_of(key) for key in new})
    if not moved:
        return ""
    return (
        f"rows of {moved:,} videos moved in the list and are other samples now: the position numbers the folder; "
        'give each row an "index" to pin its folder'
    )


def file_name(path: Any) -> str | None:
    """The last part of a path, None where it names no file: its folder is that of the machine that made the list."""
    name = path.rpartition("/")[2] if isinstance(path, str) else ""
    return None if name in ("", ".", "..") or "\0" in name else name


def _key(row: Any, position: int, word: str) -> str:
    if isinstance(row, BrokenItemError):
        raise SampleError(f"bad_{word}", f"{row}")
    if not isinstance(row, dict):
        raise SampleError(
            f"bad_{word}", f"{word} {position} is a {type(row).__name__}, not an object with 'vid' and others"
        )
    vid, index = row.get("vid"), row.get("index", position)
    if not isinstance(vid, str) or not _VID.fullmatch(vid):
        shown = repr(vid)[:80]
        raise SampleError(
            "bad_vid",
            f"{word} {position}: 'vid' is {shown}, which cannot name a folder; use 1 to 64 of A-Z a-z 0-9 _ -"
            if "vid" in row
            else f"{word} {position} has no 'vid'",
        )
    if index is None:
        index = position
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < _MAX_INDEX:
        raise SampleError("bad_index", f"{word} {position}: 'index' is {index!r:.80}, not a whole number from 0 up")
    return f"sample_{index:06d}_{vid}"


def _free_key(position: int, used: set[str]) -> str:
    key = f"sample_{position:06d}_invalid"
    while key in used:  # a video may be called `invalid`
        key += "-"
    return key


def _caption(row: Row) -> str:
    field = "transcript" if row.get("transcript") not in (None, "") else "transcript clip"
    caption = row.get(field)
    if isinstance(caption, list) and all(isinstance(word, str) for word in caption):
        caption = " ".join(caption)
    if not isinstance(caption, str):
        raise SampleError("bad_caption", f"'{field}' is {caption!r:.80}, not a text or a list of words")
    if not caption.strip():
        raise SampleError("bad_caption", f"'{field}' is empty")
    return caption


def _sizes(row: Row) -> list[float] | None:
    sizes = row.get("size")
    if not isinstance(sizes, list) or not sizes:
        return None
    # The sum is unequal to itself where a size is NaN, which neither min nor max reliably tells.
    if {*map(type, sizes)} <= {int, float} and min(sizes) >= 0 and max(sizes) <= 1 and sum(sizes) == sum(sizes):
        return sizes
    wrong = next(size for size in sizes if type(size) not in (int, float) or not 0 <= size <= 1)
    raise SampleError("bad_size", f"'size' holds {wrong!r:.40}, not a number from 0 to 1")
