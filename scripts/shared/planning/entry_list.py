"""The source list in memory: a million entries, some 300 bytes each beside their own text."""

from array import array
from collections.abc import Iterable, Iterator, Sequence

from scripts.shared.planning.stage import SourceEntry


class EntryList:
    """Entries in the order of the source list, kept as columns: a tuple and a bytes object each would take 100 MB.

    Args:
        entries: taken one by one.

    Attributes:
        keys: of all entries.
    """

    def __init__(self, entries: Iterable[SourceEntry]) -> None:
        self.keys: list[str] = []
        self._sources: list[str] = []
        self._text = bytearray()
        self._ends = array("Q", [0])
        for key, source, entry in entries:
            self.keys.append(key)
            self._sources.append(source)
            self._text += entry
            self._ends.append(len(self._text))

    def only(self, positions: Sequence[int]) -> "EntryList":
        """The entries at some positions, in the order given."""
        return EntryList(self[position] for position in positions)

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[SourceEntry]:
        return (self[position] for position in range(len(self)))

    def __getitem__(self, position: int) -> SourceEntry:
        entry = bytes(self._text[self._ends[position] : self._ends[position + 1]])
        return SourceEntry(self.keys[position], self._sources[position], entry)
