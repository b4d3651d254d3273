"""One pass over the packets of a video stream: what each of them is, and whether a plan may rest on it."""

# PyAV's Packet is generic in its stubs only.
from __future__ import annotations

import math
from dataclasses import dataclass

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from scripts.shared.errors import SampleError
from scripts.shared.video.container_end import cut_off, ts_tail_unproven
from scripts.shared.video.demux import Packets, format_name, packets_from, seek_targets
from scripts.shared.video.inspector import READABLE_CODECS, Inspector
from scripts.shared.video.interval import LOOK_AHEAD, WHOLE, Stretch
from scripts.shared.video.packets import PacketFacts, Unplannable
from scripts.shared.video.source import VideoFile

# Containers whose presentation times come from the file. AVI and bare streams leave them to guesses.
_TIMED_FORMATS = frozenset({"mov", "matroska", "mpegts", "flv"})

# Packets of one clip up to this size are kept for decoding; longer ones are read a second time.
HELD_BYTES = 24 << 20


@dataclass(frozen=True)
class Scan:
    """What a pass over the packets found.

    Args:
        table: packets of the stream in decode order: all of them, or those that a stretch needs.
        n_frames: packets that hold a wanted frame: the number of frames, if all decode.
        doubt: why the table is no ground for a plan, None when it is.
        packets: the packets themselves, None when they were too large to keep.
        target: time that was sought before the first of them was read, None for the file's start.
        first: (presentation time, byte in the file) of the first of them.
        open_end: the container cannot tell whether the last packet is complete.
        tail_unproven: nor does the decoder, and nothing else shows it.
        frame_duration: of one frame in the stream's time base, 0 where the file does not say.
        frames_end: when the last frame of the table ends, in the stream's time base; None where none has a time.
    """

    table: list[PacketFacts]
    n_frames: int
    doubt: str | None
    packets: list[Packet[VideoStream]] | None
    target: int | None
    first: tuple[int | None, int | None]
    open_end: bool
    tail_unproven: bool
    frame_duration: int
    frames_end: int | None


def scan_packets(video: VideoFile, container: InputContainer, stream: VideoStream, stretch: Stretch = WHOLE) -> Scan:
    """Demux the stream once, of a stretch only what its frames need.

    Args:
        video: the file.
        container: just opened.
        stream: of the container.
        stretch: what is wanted. The table then goes from the last key frame that is shown at its begin or before to
            some frames after its end.

    Raises:
        SampleError: `truncated` where the container declares more than the file holds and the missing end is
            wanted, `corrupt` where the container itself cannot be read.
    """
    doubt = _doubt(container, stream)
    sought = False
    if doubt is None:
        for target in seek_targets(video, container, stream, stretch):
            sought = True
            gathered = _gather(packets_from(video, container, stream, target), stream, stretch)
            if gathered is not None:
                return gathered.scan(video, container, target)
    if not sought:
        return _scan_from_start(video, container, stream, stretch, doubt)
    with video.open_stream() as (fresh, fresh_stream):
        return _scan_from_start(video, fresh, fresh_stream, stretch, doubt)


def _doubt(container: InputContainer, stream: VideoStream) -> str | None:
    """Why there can be no plan, whatever the packets are."""
    if format_name(container) not in _TIMED_FORMATS:
        return f"{format_name(container)} files do not time their frames"
    codec = stream.codec_context.codec.canonical_name
    return None if codec in READABLE_CODECS else f"packets of {codec} are not told apart"


def _scan_from_start(
    video: VideoFile, container: InputContainer, stream: VideoStream, stretch: Stretch, doubt: str | None
) -> Scan:
    begun = _Gathered(stream, stretch, doubt)
    gathered = _gather(packets_from(video, container, stream, None), stream, stretch, doubt, begun)
    return (gathered or begun).scan(video, container, None)


def _gather(
    packets: Packets, stream: VideoStream, stretch: Stretch, doubt: str | None = None, begun: _Gathered | None = None
) -> _Gathered | None:
    """Take the packets that a stretch needs; None where no key frame that it can begin with comes in time.

    Args:
        packets: from somewhere before the stretch on.
        stream: that they are of.
        stretch: what is wanted.
        doubt: why no packet can be trusted to be a key frame.
        begun: takes the packets before such a key frame too, as nothing lies before them.
    """
    gathered = begun
    for packet in packets:
        if (
            packet.is_keyframe
            and packet.pts is not None
            and packet.pts <= stretch.first
            and (gathered is None or gathered.may_end_before(packet.pts))
        ):
            anew = _Gathered(stream, stretch, doubt, lands=True)
            anew.add(packet)
            if anew.begins_with_key:
                gathered = anew
                continue
        if gathered is not None:
            gathered.add(packet)
            if gathered.passed:
                return gathered
        elif packet.dts is not None and packet.dts > stretch.first:
            return None
    if gathered is not None:
        gathered.at_end = True
    return gathered


class _Gathered:
    """Packets in decode order, from the file's start or from a key frame on."""

    def __init__(self, stream: VideoStream, stretch: Stretch, doubt: str | None, *, lands: bool = False) -> None:
        self._stream, self._stretch, self._doubt = stream, stretch, doubt
        self._inspector = Inspector(stream, lands=lands)
        self._table: list[PacketFacts] = []
        self._held: list[Packet[VideoStream]] | None = []
        self._first: tuple[int | None, int | None] = (None, None)
        self._n_bytes = 0
        self._duration = 0
        self._latest: float = -math.inf  # time at which a frame is shown, infinite where one has none
        self._n_after = 0  # frames shown after the stretch
        self._n_frames = 0
        self._frames_end: int | None = None
        self.at_end = False  # whether the file has no more packets

    @property
    def begins_with_key(self) -> bool:
        """Whether the first packet proves that decoding may start with it."""
        return self._doubt is None and self._table[0].key

    def may_end_before(self, time: int) -> bool:
        """Whether all frames so far are shown before a time."""
        return self._latest < time

    @property
    def complete(self) -> bool:
        """Whether no frame that is still to come can lie in the stretch: the decoder could not bring it in order."""
        return self._n_after > self._stream.codec_context.reorder_depth

    @property
    def passed(self) -> bool:
        """Whether the stretch is complete, even if some frame's time was a slip."""
        dts = self._table[-1].dts
        return self.complete and self._n_after > LOOK_AHEAD and (dts is None or dts >= self._stretch.end)

    def add(self, packet: Packet[VideoStream]) -> None:
        """Take the next packet."""
        try:
            facts = self._inspector.facts(packet, readable=self._doubt is None)
        except Unplannable as found:
            self._doubt = str(found)
            facts = self._inspector.facts(packet, readable=False)
        if not self._table:
            self._first = packet.pts, packet.pos
        self._table.append(facts)
        self._duration = packet.duration or self._duration
        self._n_bytes += packet.size
        if self._held is not None:
            self._held.append(packet)
            if self._n_bytes > HELD_BYTES or self._doubt is not None:
                self._held = None
        self._note_time(facts, packet.duration or 0)

    def _note_time(self, facts: PacketFacts, duration: int) -> None:
        time = facts.dts if self._stretch.by_turn else facts.pts
        self._n_frames += facts.is_frame and self._stretch.holds(time)
        if facts.shown:
            self._latest = math.inf if time is None else max(self._latest, time)
            self._n_after += time is not None and time >= self._stretch.end
        if facts.is_frame and time is not None:
            end = time + duration
            self._frames_end = end if self._frames_end is None else max(self._frames_end, end)

    def scan(self, video: VideoFile, container: InputContainer, target: int | None) -> Scan:
        """What was found.

        Raises:
            SampleError: `truncated`.
        """
        open_end = format_name(container) == "mpegts"
        end_is_wanted = self.at_end and not self.complete
        if end_is_wanted:
            _refuse_cut_off(video, self._stream, format_name(container))
            if self._table and self._table[-1].corrupt and not open_end:
                raise SampleError("truncated", f"{video.path.name}: it ends within a frame; copy or download it again")
        tail_unproven = (
            end_is_wanted
            and open_end
            and self._stream.codec_context.codec.canonical_name != "h264"  # whose decoder marks what it makes up
            and ts_tail_unproven(video.read_at, video.size, self._stream.id)
        )
        return Scan(
            table=self._table,
            n_frames=self._n_frames,
            doubt=self._doubt,
            packets=self._held,
            target=target,
            first=self._first,
            open_end=open_end,
            tail_unproven=tail_unproven,
            frame_duration=self._duration,
            frames_end=self._frames_end,
        )


def _refuse_cut_off(video: VideoFile, stream: VideoStream, name: str) -> None:
    missing = cut_off(video.read_at, video.size)
    if missing is None and name == "mov":
        end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
        if end > video.size:
            missing = f"its index names frames up to {end - video.size} bytes after the end of the file"
    if missing:
        raise SampleError("truncated", f"{video.path.name}: {missing}; copy or download it again")
