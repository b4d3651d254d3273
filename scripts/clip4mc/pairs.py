"""The pairs file: video-text pairs in the field's JSON, one sample each.

A pair that cannot be a sample still is an entry, with its error: it ends in `failures.csv` and stops nothing.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import canonical_json
from scripts.shared.json_items import BrokenItemError, read_items
from scripts.shared.planning.stage import SourceEntry

_VID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_INDEX = 10**12


def read_pairs(path: Path) -> Iterator[SourceEntry]:
    """Yield one entry a pair, in the order of the file.

    Args:
        path: JSON list or JSON Lines of objects with `vid`, `transcript` or `transcript clip`, `clip_path`, and
            optionally `size` and `index`.

    Raises:
        PlanningError: the file is no such list.
    """
    used: set[str] = set()
    for position, pair in enumerate(read_items(path)):
        entry: dict[str, Any]
        try:
            key = _key(pair, position)
            if key in used:
                raise SampleError(
                    "duplicate", f"pair {position}: 'index' and 'vid' are those of an earlier pair: {key}"
                )
            entry = {"source": _clip_name(pair)}
        except SampleError as error:
            key, entry = _free_key(position, used), {"error": [error.error, f"{path.name}: {error.message}"]}
        else:
            try:
                entry |= {"caption": _caption(pair), "size": _sizes(pair)}
            except SampleError as error:
                entry["error"] = [error.error, f"{path.name}: pair {position}: {error.message}"]
        used.add(key)
        yield SourceEntry(key, entry.get("source", ""), canonical_json(entry))


def vid_of(key: str) -> str:
    """The video id in a sample's key."""
    return key.split("_", 2)[2]


def explain_moves(gone: list[str], new: list[str]) -> str:
    """Say how many pairs only changed their place in the list, which makes them other samples."""
    moved = len({vid_of(key) for key in gone} & {vid_of(key) for key in new})
    if not moved:
        return ""
    return (
        f"pairs of {moved:,} videos moved in the list and are other samples now: the position numbers the folder; "
        'give each pair an "index" to pin its folder'
    )


def _key(pair: Any, position: int) -> str:
    if isinstance(pair, BrokenItemError):
        raise SampleError("bad_pair", f"{pair}")
    if not isinstance(pair, dict):
        raise SampleError(
            "bad_pair", f"pair {position} is a {type(pair).__name__}, not an object with 'vid' and others"
        )
    vid, index = pair.get("vid"), pair.get("index", position)
    if not isinstance(vid, str) or not _VID.fullmatch(vid):
        shown = repr(vid)[:80]
        raise SampleError(
            "bad_vid",
            f"pair {position}: 'vid' is {shown}, which cannot name a folder; use 1 to 64 of A-Z a-z 0-9 _ -"
            if "vid" in pair
            else f"pair {position} has no 'vid'",
        )
    if index is None:
        index = position
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < _MAX_INDEX:
        raise SampleError("bad_index", f"pair {position}: 'index' is {index!r:.80}, not a whole number from 0 up")
    return f"sample_{index:06d}_{vid}"


def _free_key(position: int, used: set[str]) -> str:
    key = f"sample_{position:06d}_invalid"
    while key in used:  # a video may be called `invalid`
        key += "-"
    return key


def _clip_name(pair: dict[str, Any]) -> str:
    """File name of the clip: the folder in the path is that of the machine where the pairs were made."""
    path = pair.get("clip_path")
    name = path.rpartition("/")[2] if isinstance(path, str) else ""
    if name in ("", ".", "..") or "\0" in name:
        raise SampleError("bad_clip_path", f"'clip_path' is {path!r:.80}, which names no file")
    return name


def _caption(pair: dict[str, Any]) -> str:
    field = "transcript" if pair.get("transcript") not in (None, "") else "transcript clip"
    caption = pair.get(field)
    if isinstance(caption, list) and all(isinstance(word, str) for word in caption):
        caption = " ".join(caption)
    if not isinstance(caption, str):
        raise SampleError("bad_caption", f"'{field}' is {caption!r:.80}, not a text or a list of words")
    if not caption.strip():
        raise SampleError("bad_caption", f"'{field}' is empty")
    return caption


def _sizes(pair: dict[str, Any]) -> list[float] | None:
    sizes = pair.get("size")
    if not isinstance(sizes, list) or not sizes:
        return None
    # The sum is unequal to itself where a size is NaN, which neither min nor max reliably tells.
    if {*map(type, sizes)} <= {int, float} and min(sizes) >= 0 and max(sizes) <= 1 and sum(sizes) == sum(sizes):
        return sizes
    wrong = next(size for size in sizes if type(size) not in (int, float) or not 0 <= size <= 1)
    raise SampleError("bad_size", f"'size' holds {wrong!r:.40}, not a number from 0 to 1")
