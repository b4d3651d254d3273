"""The pairs file of `source: clips`: video-text pairs in the field's JSON, a clip each."""

from collections.abc import Iterator
from pathlib import Path

from scripts.clip4mc.rows import Row, file_name, read_rows
from scripts.shared.errors import SampleError
from scripts.shared.planning.stage import SourceEntry


def read_pairs(path: Path) -> Iterator[SourceEntry]:
    """Yield one entry a pair, in the order of the file.

    Args:
        path: JSON list or JSON Lines of objects with `vid`, `transcript` or `transcript clip`, `clip_path`, and
            optionally `size` and `index`. Of `clip_path` only the file name counts, and the folder if that is the
            sample's key.

    Raises:
        PlanningError: the file is no such list.
    """
    return read_rows(path, word="pair", source=_clip)


def _clip(pair: Row, key: str) -> str:
    path = pair.get("clip_path")
    name = file_name(path)
    if name is None:
        raise SampleError("bad_clip_path", f"'clip_path' is {path!r:.80}, which names no file")
    # `clip4mc_clips` puts each clip into a folder of the same key.
    return f"{key}/{name}" if f"/{path}".endswith(f"/{key}/{name}") else name
