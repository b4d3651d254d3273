"""One pass over the packets of a video stream: what each of them is, and whether a plan may rest on it."""

# PyAV's Packet is generic in its stubs only.
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from scripts.shared.errors import SampleError
from scripts.shared.video.container_end import cut_off, ts_tail_unproven
from scripts.shared.video.nal import h264_unit, hevc_unit, length_size
from scripts.shared.video.packets import PacketFacts, Unplannable
from scripts.shared.video.source import VideoFile
from scripts.shared.video.vp9_av1 import av1_unit, vp9_unit

# Containers whose presentation times come from the file. AVI and bare streams leave them to guesses.
_TIMED_FORMATS = frozenset({"mov", "matroska", "mpegts", "flv"})

# Packets of one clip up to this size are kept for decoding; longer ones are read a second time.
HELD_BYTES = 24 << 20


@dataclass(frozen=True)
class Scan:
    """What a pass over the packets found.

    Args:
        table: all packets of the stream in decode order.
        n_frames: packets that hold a frame: the number of frames, if all decode.
        doubt: why the table is no ground for a plan, None when it is.
        packets: the packets themselves, None when they were too large to keep.
        open_end: the container cannot tell whether the last packet is complete.
        tail_unproven: nor does the decoder, and nothing else shows it.
        frame_duration: of one frame in the stream's time base, 0 where the file does not say.
    """

    table: list[PacketFacts]
    n_frames: int
    doubt: str | None
    packets: list[Packet[VideoStream]] | None
    open_end: bool
    tail_unproven: bool
    frame_duration: int


def scan_packets(video: VideoFile, container: InputContainer, stream: VideoStream) -> Scan:
    """Demux the whole stream once.

    Raises:
        SampleError: `truncated` where the container declares more than the file holds, `corrupt` where the
            container itself cannot be read.
    """
    format_name = container.format.name.split(",")[0]
    inspector = _Inspector(stream)
    doubt = None if format_name in _TIMED_FORMATS else f"{format_name} files do not time their frames"
    table: list[PacketFacts] = []
    held: list[Packet[VideoStream]] | None = []
    n_bytes = 0
    duration = 0
    for packet in read_packets(video, container, stream):
        try:
            facts = inspector.facts(packet, readable=doubt is None)
        except Unplannable as found:
            doubt = str(found)
            facts = inspector.facts(packet, readable=False)
        table.append(facts)
        duration = packet.duration or duration
        n_bytes += packet.size
        if held is not None:
            held.append(packet)
            if n_bytes > HELD_BYTES or doubt is not None:
                held = None
    _refuse_cut_off(video, stream, format_name)
    open_end = format_name == "mpegts"
    if table and table[-1].corrupt and not open_end:
        raise SampleError("truncated", f"{video.path.name}: it ends within a frame; copy or download it again")
    tail_unproven = (
        open_end
        and stream.codec_context.codec.canonical_name != "h264"  # whose decoder marks what it makes up
        and ts_tail_unproven(video.read_at, video.size, stream.id)
    )
    n_frames = sum(facts.is_frame for facts in table)
    return Scan(table, n_frames, doubt, held, open_end, tail_unproven, duration)


def read_packets(video: VideoFile, container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """All packets of the stream that hold bytes, in the order of the file.

    An empty sample of an MP4 file shows the frame before it once more and is no frame; sent to a decoder it
    would mean the end.

    Raises:
        SampleError: `corrupt`, `truncated`, `unreadable`.
    """
    with video.sample_errors("corrupt", "the container is damaged"):
        for packet in container.demux(stream):
            if packet.size:
                yield packet
            elif packet.dts is None and packet.pts is None:
                # PyAV's mark of the end. Asked for more, it stumbles over streams that turned up on the way.
                return


def _refuse_cut_off(video: VideoFile, stream: VideoStream, format_name: str) -> None:
    missing = cut_off(video.read_at, video.size)
    if missing is None and format_name == "mov":
        end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
        if end > video.size:
            missing = f"its index names frames up to {end - video.size} bytes after the end of the file"
    if missing:
        raise SampleError("truncated", f"{video.path.name}: {missing}; copy or download it again")


class _Inspector:
    """Reads packets of one stream by its codec, and notices what changes on the way."""

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context.codec.canonical_name
        self._read_nal = {"h264": h264_unit, "hevc": hevc_unit}.get(self._codec)
        self._n_length = length_size(stream.codec_context.extradata, self._codec) if self._read_nal else 0
        self._parameters = b""
        self._ended = False
        self._first = True

    def facts(self, packet: Packet[VideoStream], *, readable: bool) -> PacketFacts:
        """What one packet is; only by its container where `readable` is false.

        Raises:
            Unplannable: the bit stream is not understood, or changes its parameters.
        """
        key = packet.is_keyframe
        if not readable:
            return PacketFacts(packet.pts, packet.dts, key, packet.is_discard, corrupt=packet.is_corrupt)
        if packet.has_sidedata("new_extradata") and not self._first:
            raise Unplannable("the codec's parameters change in mid stream")
        self._first = False
        layer, n_shown, unreferenced = 0, 1, False
        data = bytes(packet)
        if self._read_nal is not None:
            if self._ended:
                raise Unplannable("the coded sequence ends and another begins")
            is_key, unreferenced, layer, parameters, self._ended = self._read_nal(data, self._n_length)
            self._note_parameters(parameters)
        elif self._codec == "vp9":
            is_key, n_shown = vp9_unit(data)
        elif self._codec == "av1":
            is_key, n_shown, parameters = av1_unit(data)
            self._note_parameters(parameters)
        else:
            raise Unplannable(f"packets of {self._codec} are not told apart")
        if n_shown > 1:
            raise Unplannable("a packet holds several shown frames")
        return PacketFacts(
            packet.pts,
            packet.dts,
            key and is_key,
            packet.is_discard,
            unreferenced,
            layer,
            n_shown == 1,
            packet.is_corrupt,
        )

    def _note_parameters(self, parameters: bytes) -> None:
        if parameters and parameters != (self._parameters or parameters):
            raise Unplannable("the codec's parameters change in mid stream")
        self._parameters = self._parameters or parameters
