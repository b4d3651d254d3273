"""The wanted frames while they arrive."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

PickFrames = Callable[[int], NDArray[np.int64]]


@dataclass
class Picture:
    """The wanted frames so far, and what is known of the file.

    Args:
        frames: (n_picked, height, width, 3) uint8 RGB, filled as frames arrive.
        numbers: frame number in presentation order of each of them, ascending.
        n_source_frames: frames that the decoder delivers.
        pts: of each of them, in units of `time_base`.
        time_base: seconds a unit of `pts`.
        source_width: of the first wanted frame as it is coded, before turning.
        source_height: likewise.
        duration_s: number of frames times their mean distance.
    """

    frames: NDArray[np.uint8]
    numbers: tuple[int, ...]
    n_source_frames: int
    pts: list[int]
    time_base: Fraction = Fraction(1)
    source_width: int = 0
    source_height: int = 0
    duration_s: float = 0.0
    _missing: dict[int, list[int]] = field(default_factory=dict)  # number -> places that want it

    def __post_init__(self) -> None:
        for place, number in enumerate(self.numbers):
            self._missing.setdefault(number, []).append(place)

    @property
    def complete(self) -> bool:
        """Whether every wanted frame has arrived."""
        return not self._missing

    def wants(self, number: int) -> bool:
        """Whether the frame of this number is wanted and has not arrived."""
        return number in self._missing

    def put(self, number: int, pixels: NDArray[np.uint8], *, pts: int, source: tuple[int, int]) -> None:
        """Fill each place that wants a frame.

        Args:
            number: of the frame in presentation order.
            pixels: (height, width, 3) RGB.
            pts: its presentation time.
            source: (width, height) as it is coded.
        """
        if not self.source_width:
            self.source_width, self.source_height = source
        for place in self._missing.pop(number, ()):
            self.frames[place] = pixels
            self.pts[place] = pts

    def time(
        self, time_base: Fraction | None, first: tuple[int, int], last: tuple[int, int], frame_duration: int
    ) -> None:
        """Note the file's times.

        Args:
            time_base: seconds a unit.
            first: (number, time) of the first frame that has a time.
            last: (number, time) of the last one.
            frame_duration: what the file says of one frame; used where only one has a time.
        """
        self.time_base = time_base or Fraction(1)
        gaps = last[0] - first[0]
        step = Fraction(last[1] - first[1], gaps) if gaps else Fraction(frame_duration)
        self.duration_s = float(self.n_source_frames * step * self.time_base)


def new_picture(pick: PickFrames, n_frames: int, *, height: int, width: int) -> Picture:
    """An empty picture for the frames that `pick` wants of `n_frames`.

    Raises:
        ValueError: the picked numbers are none, descend, or lie outside 0 to n_frames - 1.
    """
    numbers = tuple(int(number) for number in np.asarray(pick(n_frames)))
    if not numbers or numbers[0] < 0 or numbers[-1] >= n_frames or list(numbers) != sorted(numbers):
        raise ValueError(f"pick({n_frames}) gave {numbers}; wanted ascending numbers from 0 to {n_frames - 1}")
    frames = np.zeros((len(numbers), height, width, 3), dtype=np.uint8)
    return Picture(frames, numbers, n_frames, [0] * len(numbers))
