"""An interval of a video: given in seconds, compared exactly on the clock of its stream."""

import math
from dataclasses import dataclass
from fractions import Fraction

from av.container import InputContainer
from av.video.stream import VideoStream

from scripts.shared.errors import SampleError

# An interval may end this much after the video: the lengths in metadata are rounded.
TOLERANCE_S = 1
# A frame shown after the interval ends it; so many more are looked at, in case its time was a slip.
LOOK_AHEAD = 8

_LIMIT_S = 1e9
_MICROSECONDS = 10**6
_NO_TIMESTAMPS = 0x80  # FFmpeg's AVFMT_NOTIMESTAMPS, a flag of bare streams


@dataclass(frozen=True)
class Stretch:
    """The part of a video that is wanted, on the clock of its stream; without bounds all of it.

    Args:
        first: what is shown at this time or later, in units of the stream's time base,
        end: and before this one.
        begin_s: `first` in seconds from the start of the file.
        end_s: `end` likewise.
        zero: start of the file in units of the time base.
        second: units in a second.
        by_turn: the container only says when packets are decoded (AVI): the frame shown as the n-th has the
            time of the n-th packet.
        video: file name, for messages.
    """

    first: float = -math.inf
    end: float = math.inf
    begin_s: Fraction = Fraction(0)
    end_s: Fraction = Fraction(0)
    zero: Fraction = Fraction(0)
    second: Fraction = Fraction(1)
    by_turn: bool = False
    video: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all of the video is wanted."""
        return self.end == math.inf

    @property
    def words(self) -> str:
        """Which part it is, to follow a count in a message."""
        return "" if self.is_whole else f" between {float(self.begin_s):g} and {float(self.end_s):g} s"

    def holds(self, time: int | None) -> bool:
        """Whether a frame of this time is wanted; one without a time is part of the whole video only."""
        return self.is_whole or (time is not None and self.first <= time < self.end)

    def refuse_beyond(self, video_end: int) -> None:
        """Check the interval against the end of the video's last frame, in units of the time base.

        Raises:
            SampleError: `bad_interval`: it begins later, or ends more than `TOLERANCE_S` later.
        """
        if self.is_whole:
            return
        length = (video_end - self.zero) / self.second
        if self.begin_s > length:
            raise self._refused(f"begins at {float(self.begin_s):g} s, but the video is {float(length):g} s long")
        if self.end_s > length + TOLERANCE_S:
            raise self._refused(f"ends at {float(self.end_s):g} s, but the video is {float(length):g} s long")

    def empty(self) -> SampleError:
        """The error of an interval in which no frame is shown."""
        return self._refused(f"is {float(self.begin_s):g} to {float(self.end_s):g} s, when no frame begins")

    def no_times(self, what: str) -> SampleError:
        """The error of a video that cannot be cut by time."""
        return SampleError(
            "no_times", f"{self.video}: {what}, so that no interval can be cut out of it; convert it to MP4 with ffmpeg"
        )

    def _refused(self, what: str) -> SampleError:
        return SampleError(
            "bad_interval", f"{self.video}: its interval {what}; mend the interval's begin and end in the metadata"
        )


WHOLE = Stretch()


def stretch_of(
    video: str, container: InputContainer, stream: VideoStream, interval: tuple[float, float] | None
) -> Stretch:
    """What an interval in seconds is on the clock of a stream.

    A frame lies in it if begin <= t < end, where t is its presentation time less the start time of the file:
    that of the stream which starts first, as for `-ss` of the ffmpeg program.

    A float stands for the nearest fraction of a denominator up to a million. That gives back the microseconds
    of a list (up to two hours), and also n / 30 or n * 1001 / 30000 as a program computed it, whose float may
    lie just above the time of the frame that it means.

    Args:
        video: file name, for messages.
        container: just opened.
        stream: whose frames are wanted.
        interval: (begin, end), None for all frames.

    Raises:
        SampleError: `bad_interval`: not 0 <= begin < end; `no_times`: the container knows of no times.
    """
    if interval is None:
        return WHOLE
    begin, end = interval
    if not 0 <= begin < end < _LIMIT_S:  # nor is it where one is NaN
        raise SampleError(
            "bad_interval",
            f"{video}: its interval is {begin} to {end} s; mend the metadata so that 0 <= begin < end",
        )
    second = 1 / (stream.time_base or Fraction(1))
    zero = _start_s(container) * second
    begin_s, end_s = (Fraction(seconds).limit_denominator(_MICROSECONDS) for seconds in (begin, end))
    stretch = Stretch(
        # Of whole units, those at or after a point are those at or after the next whole one.
        first=math.ceil(begin_s * second + zero),
        end=math.ceil(end_s * second + zero),
        begin_s=begin_s,
        end_s=end_s,
        zero=zero,
        second=second,
        by_turn=container.format.name == "avi",
        video=video,
    )
    if container.format.flags & _NO_TIMESTAMPS:
        raise stretch.no_times(f"a bare {container.format.name} stream does not time its frames")
    return stretch


def _start_s(container: InputContainer) -> Fraction:
    """Start time of a file in seconds. FFmpeg rounds it to microseconds; the stream that it is of has it exactly."""
    if container.start_time is None:
        return Fraction(0)
    rounded = Fraction(container.start_time, _MICROSECONDS)
    starts = [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.start_time is not None and stream.time_base is not None
    ]
    nearest = min(starts, key=lambda start: abs(start - rounded), default=rounded)
    return nearest if abs(nearest - rounded) <= Fraction(1, _MICROSECONDS) else rounded


class Disorder(Exception):  # noqa: N818 - a finding, which damage may explain
    """The times of frames do not say where a stretch begins or ends. Its text is the reason."""


class Sieve:
    """Tells which of the frames that a decoder delivers, one after the other, lie in a stretch."""

    def __init__(self, stretch: Stretch) -> None:
        self._stretch = stretch
        self._place = 0  # of the latest frame: 0 before the stretch, 1 in it, 2 after it
        self._untimed = 0  # frames without a time since the latest one with a time
        self._any_timed = stretch.is_whole
        self._n_after = 0

    @property
    def entered(self) -> bool:
        """Whether a frame shown at the begin of the stretch or later has been met."""
        return self._place > 0

    @property
    def done(self) -> bool:
        """Whether what is still to come lies after the stretch."""
        return self._n_after > LOOK_AHEAD

    def keeps(self, time: int | None) -> bool:
        """Whether the next frame lies in the stretch.

        Raises:
            Disorder: times are missing or go back, so that it has no clear begin or end.
        """
        if self._stretch.is_whole:
            return True
        if time is None:
            self._untimed += 1
            return False
        place = (time >= self._stretch.first) + (time >= self._stretch.end)
        if self._untimed and place > 0 and self._place < 2:
            raise Disorder(f"{self._untimed} frames have no time before the one at {self._at(time)} s")
        if place < self._place:
            raise Disorder(f"the times of its frames go back to {self._at(time)} s")
        self._place, self._untimed, self._any_timed = place, 0, True
        self._n_after += place == 2
        return place == 1

    def end(self) -> None:
        """Note that there are no more frames.

        Raises:
            Disorder: as `keeps`.
        """
        if self._untimed and (self._place == 1 or not self._any_timed):
            raise Disorder(f"its last {self._untimed} frames have no time")

    def _at(self, time: int) -> str:
        return f"{float((time - self._stretch.zero) / self._stretch.second):g}"
