"""Which recording goes where: the paths of the speakers' folders."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

UNDECIDED = "undecided"


def folder_names(result: dict[str, Any], *, flat: bool) -> tuple[dict[str, str], list[str]]:
    """Choose the path of each recording.

    Args:
        result: content of the result file.
        flat: file names alone, equal ones numbered; else the tree of the recordings.

    Returns:
        Relative path of each recording by its path below the output folder, and the recordings whose own path would
        lead out of it.
    """
    sources: dict[str, str] = {}
    unusable: list[str] = []
    for folder, recordings in _folders(result):
        usable = [path for path in recordings if is_inside(path)]
        unusable += [path for path in recordings if not is_inside(path)]
        names = _numbered([path.rpartition("/")[2] for path in usable]) if flat else usable
        sources.update((f"{folder}/{name}", path) for name, path in zip(names, usable, strict=True))
    return sources, unusable


def is_inside(path: str) -> bool:
    """Tell whether a path stays below the folder that it is relative to."""
    return "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


def _folders(result: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for speaker in result["speakers"]:
        yield speaker["speaker_id"], [*speaker["audio_files"], *speaker["no_embedding"]]
    yield UNDECIDED, [file["relative_path"] for file in result["undecided"]]


def _numbered(names: Sequence[str]) -> list[str]:
    """a.wav, a.wav -> a.wav, a-2.wav; a number that makes another file's name is passed over."""
    taken = set(names)
    last = Counter[str]()
    chosen = []
    for name in names:
        last[name] += 1
        free = name
        if last[name] > 1:
            stem, suffix = os.path.splitext(name)
            while (free := f"{stem}-{last[name]}{suffix}") in taken:
                last[name] += 1
            taken.add(free)
        chosen.append(free)
    return chosen
