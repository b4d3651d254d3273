"""The samples of a list of captions. Light, since the Snakefile imports it."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts.pose.captions import NA, Line, check_line, parse_line, read_captions
from scripts.pose.names import allocate
from scripts.shared.fingerprints import canonical_json
from scripts.shared.planning.stage import SourceEntry

Wanted = Callable[[str, Line], dict[str, Any]]


class CaptionList:
    """The samples of a list of captions, one for each distinct caption; the list is read once.

    Args:
        dataset: its options; for `entries` with those of its preset. `caption` stands for a list of one.
    """

    def __init__(self, dataset: Mapping[str, Any]) -> None:
        self._dataset = dataset
        self._remarks: list[str] = []

    @cached_property
    def lines(self) -> dict[str, Line]:
        """The first line of each distinct caption by its name, in list order."""
        return dict(zip(allocate(self._first), self._first.values(), strict=True))

    @cached_property
    def _first(self) -> dict[str, Line]:
        """The first line of each distinct caption."""
        given = self._dataset
        if "caption" in given:
            listed = [parse_line(given["caption"], 1)]
        else:
            listed = read_captions(Path(given["captions"]), remark=self._remarks.append)
        first: dict[str, Line] = {}
        for line in listed:
            first.setdefault(line.text, line)
        if again := len(listed) - len(first):
            self._remarks.append(f"{again:,} more in the list, which repeat a caption: each caption is made once")
        return first

    def needs_lengths(self) -> bool:
        """Whether a line leaves its length to the model."""
        return any(line.n_frames == NA for line in self._first.values())

    def remarks(self) -> list[str]:
        """What the user should know of the list."""
        return list(self._remarks) if self._first else []

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
