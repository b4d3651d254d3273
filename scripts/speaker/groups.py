"""Which recordings a GPU embeds together: those of exactly one length, in batches whose shape the length alone sets.

Zeros at a recording's end would change its embedding, so nothing is padded along time. Zero rows below the recordings
change none of theirs: every group runs at the full shape of its length, whatever it holds. So an embedding does not
depend on which recordings happened to be read by then, and an interrupted run ends with the bytes of one that was not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_SECOND = 100
MOST_ROWS = 64

Item = TypeVar("Item")


def batch_rows(n_frames: int, batch_seconds: float) -> int:
    """Rows of a batch of recordings of one length: a power of two, at most `MOST_ROWS`.

    Args:
        n_frames: length of each, frames of 10 ms.
        batch_seconds: audio that goes together at most; one longer recording goes alone.
    """
    fit = int(batch_seconds * FRAMES_PER_SECOND / n_frames)
    return min(1 << max(fit.bit_length() - 1, 0), MOST_ROWS)


@dataclass(frozen=True)
class Group(Generic[Item]):
    """Items to embed together.

    Attributes:
        n_frames: the length that all have.
        rows: of the batch; more than there are items where the group is not full.
        items: 1 to `rows` of them.
    """

    n_frames: int
    rows: int
    items: Sequence[Item]


class Window(Generic[Item]):
    """Items that wait for others of their length.

    A group leaves when it is full; and, where the window holds too much, the one that is nearest to full: lengths that
    are rare wait longest, since a batch costs the same however few it holds.

    Args:
        batch_seconds: see `batch_rows`.
        most_items: items that wait at most.
        most_bytes: bytes of those that wait at most.
    """

    def __init__(self, batch_seconds: float, *, most_items: int, most_bytes: int) -> None:
        self.n_items = self.n_bytes = 0
        self._batch_seconds, self._most_items, self._most_bytes = batch_seconds, most_items, most_bytes
        self._waiting: dict[int, list[tuple[Item, int]]] = {}  # by length: items with their bytes

    def add(self, item: Item, *, n_frames: int, n_bytes: int) -> Iterator[Group[Item]]:
        """Take an item in, and yield the groups that are to leave now."""
        of_length = self._waiting.setdefault(n_frames, [])
        of_length.append((item, n_bytes))
        self.n_items += 1
        self.n_bytes += n_bytes
        if len(of_length) == batch_rows(n_frames, self._batch_seconds):
            yield self._take(n_frames)
        while self.n_items > self._most_items or self.n_bytes > self._most_bytes:
            yield self._take(max(self._waiting, key=self._fullness))

    def rest(self) -> Iterator[Group[Item]]:
        """Yield what still waits, the longest first."""
        for n_frames in sorted(self._waiting, reverse=True):
            yield self._take(n_frames)

    def _fullness(self, n_frames: int) -> float:
        return len(self._waiting[n_frames]) / batch_rows(n_frames, self._batch_seconds)

    def _take(self, n_frames: int) -> Group[Item]:
        taken = self._waiting.pop(n_frames)
        self.n_items -= len(taken)
        self.n_bytes -= sum(n_bytes for _, n_bytes in taken)
        return Group(n_frames, batch_rows(n_frames, self._batch_seconds), [item for item, _ in taken])


def stack(features: Sequence[NDArray[np.float32]], rows: int) -> NDArray[np.float32]:
    """One batch of recordings of one length.

    Args:
        features: (T, F) each.
        rows: of the batch, as many or more.

    Returns:
        (rows, T, F), zero where there is no recording.
    """
    batch = np.zeros((rows, *features[0].shape), dtype=np.float32)
    for row, of_one in zip(batch, features, strict=False):
        row[:] = of_one
    return batch
