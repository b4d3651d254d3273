"""The samples of a list of captions. Light, since the Snakefile imports it."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from scripts.pose.captions import NA, Line, check_line, may_leave_lengths, parse_line, read_captions
from scripts.pose.names import allocate
from scripts.shared.fingerprints import SourceStat, canonical_json, stat_source
from scripts.shared.planning.stage import SourceEntry

Wanted = Callable[[str, Line], dict[str, Any]]


class _Listed(NamedTuple):
    """The first line of each distinct caption by its name, in list order; and what is odd in the list."""

    lines: dict[str, Line]
    remarks: tuple[str, ...]


class CaptionList:
    """The samples of a list of captions, one for each distinct caption; a process reads the list once.

    Args:
        dataset: its options; for `entries` with those of its preset. `caption` stands for a list of one.
    """

    def __init__(self, dataset: Mapping[str, Any]) -> None:
        self._dataset = dataset

    @property
    def lines(self) -> dict[str, Line]:
        """The first line of each distinct caption by its name, in list order."""
        return self._listed.lines

    @cached_property
    def _listed(self) -> _Listed:
        given = self._dataset
        if "caption" in given:
            return _distinct([parse_line(given["caption"], 1)], [])
        path = Path(given["captions"])
        return _read(path, stat_source(path))

    def needs_lengths(self) -> bool:
        """Whether a line leaves its length to the model; most lists need not be taken apart to tell."""
        if "caption" not in self._dataset and not may_leave_lengths(Path(self._dataset["captions"])):
            return False
        return any(line.n_frames == NA for line in self.lines.values())

    def remarks(self) -> list[str]:
        """What the user should know of the list."""
        return list(self._listed.remarks)

    def entries(self, wanted: Wanted) -> list[SourceEntry]:
        """The samples as one stage wants them.

        Args:
            wanted: what the stage's job needs of a sample beside its caption: `files`, and `source` where it has one.
        """
        return [self._entry(name, line, wanted(name, line)) for name, line in self.lines.items()]

    def _entry(self, name: str, line: Line, wanted: dict[str, Any]) -> SourceEntry:
        entry = {"caption": line.text, **wanted}
        error = check_line(
            line,
            allow_non_latin=self._dataset["allow_non_latin"],
            sequence_length=self._dataset["sequence_length"],
            frame_index=self._dataset["frame_index"],
        )
        if error is not None:
            entry["error"] = error
        return SourceEntry(name, wanted.get("source", ""), canonical_json(entry))


@lru_cache(maxsize=16)
def _read(path: Path, _seen: SourceStat) -> _Listed:
    """What a list holds. Stages, the choice of the model and previews ask for it, each by a `CaptionList` of its own.

    Args:
        path: the list.
        _seen: the list as it is now: another one is read anew.
    """
    remarks: list[str] = []
    return _distinct(read_captions(path, remark=remarks.append), remarks)


def _distinct(listed: list[Line], remarks: Iterable[str]) -> _Listed:
    first: dict[str, Line] = {}
    for line in listed:
        first.setdefault(line.text, line)
    again = len(listed) - len(first)
    words = [f"{again:,} more in the list, which repeat a caption: each caption is made once"] if again else []
    return _Listed(dict(zip(allocate(first), first.values(), strict=True)), (*remarks, *words))
