"""Where the source file of a sample lies."""

from collections.abc import Mapping
from pathlib import Path


def source_path(source_dir: str | Path, source_dirs: Mapping[str, str], source: str) -> str:
    """The path of a source.

    Args:
        source_dir: the folder that sources are relative to.
        source_dirs: see `Stage`.
        source: as the list has it.
    """
    name, _, inner = source.partition("/")
    if source_dirs and inner:
        return f"{source_dirs[name]}/{inner}"
    return f"{source_dir}/{source}"
