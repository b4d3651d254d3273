"""The GPU's decoder, for the same packets as on the CPU, and only where its pictures are the CPU's byte by byte.

H.264, HEVC, VP9 and AV1 are decoded exactly by their standards, so what may differ is what lies around decoding:
cropping, colours, damage. Each clip's first key picture is therefore decoded by both and compared. Setting up a
decoder takes hundreds of milliseconds, so a process keeps the newest few for the clips that follow.
"""

# PyAV's Packet is generic in its stubs only.
from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import av.error
import numpy as np
from av.codec.context import CodecContext
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from scripts.shared.video.packets import Unplannable
from scripts.shared.video.scale import Scaler, orientation
from scripts.shared.video.vp9_av1 import av1_unit

CODECS = ("h264", "hevc", "vp9", "av1")
_KEPT = 4  # decoders; each holds the pictures that its stream may refer to, some 60 MB at 1080p
_MOST_FAILURES = 8  # clips in a row of which not even the first picture came out right: then it is not the clips

MakeContext = Callable[[str], VideoCodecContext]

log = logging.getLogger(__name__)


class NotOnCard(Exception):  # noqa: N818 - a finding, not a failure: the CPU decodes the clip
    """The GPU cannot decode this clip, or not for certain as the CPU does. Its text is the reason."""


class _Kind(NamedTuple):
    """What a decoder is set up for; one decoder serves all clips of a kind."""

    codec: str
    width: int
    height: int
    extradata: bytes

    def __str__(self) -> str:
        return f"{self.codec} of {self.width}x{self.height}"


def hardware_context(codec: str) -> VideoCodecContext:
    """A decoder on the first GPU that CUDA shows to this process; its frames stay on the card.

    Raises:
        av.error.FFmpegError: no GPU answers.
        NotImplementedError: FFmpeg was built without the GPU's decoder of this codec.
    """
    # By the codec's own name: for AV1 FFmpeg prefers a decoder that has no way to a GPU.
    accelerator = HWAccel("cuda", allow_software_fallback=False, is_hw_owned=True)
    context = CodecContext.create(codec, "r", hwaccel=accelerator)
    if not isinstance(context, VideoCodecContext) or not context.is_hwaccel:
        raise NotImplementedError(codec)
    return context


class Card:
    """The GPU of this process: its decoders, and what it was found not to do.

    Args:
        make_context: makes a decoder of a codec.
    """

    def __init__(self, make_context: MakeContext) -> None:
        self._make_context = make_context
        self._contexts: OrderedDict[_Kind, VideoCodecContext] = OrderedDict()  # that gave a picture; the newest last
        self._refused: dict[tuple[str, int, int], str] = {}  # by codec and size
        self._n_failures = 0
        self._gone: str | None = None
        self._to_planar = VideoReformatter()

    def open(self, stream: VideoStream, key: Packet[VideoStream]) -> CardDecoder:
        """A decoder for a stream, ready for its packets.

        Args:
            stream: its own decoder is used for one picture, and is as new afterwards.
            key: the first packet that will be sent, a key packet.

        Raises:
            NotOnCard: the CPU must decode it.
        """
        if self._gone is not None:
            raise NotOnCard(self._gone)
        kind = _kind(stream)
        if kind[:3] in self._refused:
            raise NotOnCard(self._refused[kind[:3]])
        expected = _cpu_picture(stream.codec_context, key)
        if expected is None or expected.format.name != "yuv420p":
            raise NotOnCard("its first picture cannot be compared")
        if orientation(expected) != (0, False):
            # The file says so of the stream; decoders that PyAV makes apart from a file are not told.
            raise NotOnCard("its display matrix turns the pictures")
        context = self._contexts.get(kind) or self._new_context(kind, stream)
        _tell(context, stream.codec_context)
        self._compare(kind, context, expected, key)
        self._keep(kind, context)
        return CardDecoder(self, context, (expected.width, expected.height))

    def _new_context(self, kind: _Kind, stream: VideoStream) -> VideoCodecContext:
        try:
            context = self._make_context(kind.codec)
        except NotImplementedError as error:
            raise NotOnCard(f"this FFmpeg decodes no {kind.codec} on GPUs") from error
        except av.error.FFmpegError as error:
            raise self._lost(f"no GPU answers ({_words(error)})") from error
        context.extradata = stream.codec_context.extradata
        context.thread_type, context.thread_count = "NONE", 1
        return context

    def _compare(self, kind: _Kind, context: VideoCodecContext, expected: VideoFrame, key: Packet[VideoStream]) -> None:
        """See that the GPU's first picture is the CPU's.

        Raises:
            NotOnCard: it is not; this kind of stream is not tried again where the GPU never gave a picture of it.
        """
        try:
            picture = _only_picture(context, key)
            got = None if picture is None else self.to_host(picture)
        except av.error.FFmpegError as error:
            if kind in self._contexts:
                raise self.fault(error) from error
            reason = self._refused[kind[:3]] = f"the GPU does not take {kind} ({_words(error)})"
            raise self._failed(kind, reason) from error
        if (
            picture is None
            or got is None
            or _what_counts(picture) != _what_counts(expected)
            or not _same_planes(got, expected)
        ):
            raise self._failed(kind, "the GPU's first picture is not the CPU's")

    def _keep(self, kind: _Kind, context: VideoCodecContext) -> None:
        self._n_failures = 0
        self._contexts[kind] = context
        self._contexts.move_to_end(kind)
        while len(self._contexts) > _KEPT:
            self._contexts.popitem(last=False)

    def to_host(self, frame: VideoFrame) -> VideoFrame:
        """A frame of the card in system memory, in the planes that the CPU's decoder gives.

        The card gives NV12, of which libswscale makes other pixels on the way to full-size BGR.
        """
        return self._to_planar.reformat(frame, format="yuv420p", threads=1)

    def _failed(self, kind: _Kind, reason: str) -> NotOnCard:
        self._contexts.pop(kind, None)
        self._n_failures += 1
        if self._n_failures >= _MOST_FAILURES:
            return self._lost(f"the GPU failed on {self._n_failures} clips in a row ({reason})")
        return NotOnCard(reason)

    def _lost(self, reason: str) -> NotOnCard:
        self._contexts.clear()
        self._gone = reason
        log.warning("%s: this process decodes on the CPU from now on", reason)
        return NotOnCard(reason)

    def fault(self, error: av.error.FFmpegError) -> NotOnCard:
        """What an error says of a decoder that has given a picture: the stream is at fault, or the GPU is gone."""
        if isinstance(error, av.error.InvalidDataError):
            return NotOnCard(f"the GPU refuses a packet ({_words(error)})")
        return self._lost(f"the GPU answers no more ({_words(error)})")


@dataclass
class CardDecoder:
    """A decoder of the card, as the packet plan uses the CPU's.

    Attributes:
        card: whose it is.
        context: PyAV's decoder.
        size: (width, height) of the pictures that the CPU's decoder gives.
    """

    card: Card
    context: VideoCodecContext
    size: tuple[int, int]

    def decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """Send a packet, or None for the end; the frames that come out stay on the card.

        Raises:
            NotOnCard: the GPU fails.
            Unplannable: the size of the pictures changes.
        """
        try:
            frames = self.context.decode(packet)
        except av.error.FFmpegError as error:
            raise self.card.fault(error) from error
        if any((frame.width, frame.height) != self.size for frame in frames):
            raise Unplannable("the size of the pictures changes")
        return frames

    def flush_buffers(self) -> None:
        """Forget all packets sent, for those of another place."""
        self.context.flush_buffers()

    def scaler(self, scaler: Scaler) -> Scaler:
        """The same scaler for frames of the card.

        Raises:
            NotOnCard: by the scaler, when the GPU fails.
        """

        def from_card(frame: VideoFrame, *, height: int, width: int) -> NDArray[np.uint8]:
            try:
                on_host = self.card.to_host(frame)
            except av.error.FFmpegError as error:
                raise self.card.fault(error) from error
            return scaler(on_host, height=height, width=width)

        return from_card


@cache
def this_card() -> Card:
    """The GPU of this process."""
    return Card(hardware_context)


def _kind(stream: VideoStream) -> _Kind:
    """What a stream asks of the card.

    Raises:
        NotOnCard: no card decodes it, or not for certain as the CPU does.
    """
    cpu = stream.codec_context
    kind = _Kind(cpu.codec.canonical_name, cpu.width, cpu.height, cpu.extradata or b"")
    if kind.codec not in CODECS:
        raise NotOnCard(f"the GPU does not decode {kind.codec}")
    if cpu.pix_fmt != "yuv420p" or cpu.color_range == ColorRange.JPEG:
        raise NotOnCard(f"its pictures are {cpu.pix_fmt}{' of full range' * (cpu.color_range == ColorRange.JPEG)}, "
                        "and only yuv420p of limited range goes to the GPU")  # fmt: skip
    if kind.width % 2 or kind.height % 2:
        # FFmpeg fetches half of the rows for colour, rounded down.
        raise NotOnCard("a side of its pictures is odd")
    if kind.codec == "av1" and _has_grain(kind.extradata):
        raise NotOnCard("film grain may differ between decoders")
    return kind


def _has_grain(extradata: bytes) -> bool:
    """Whether AV1's sequence header, after the four bytes of an `av1C` box, allows film grain; also where it is absent.

    Source: AV1 Bitstream & Decoding Process Specification 5.5.1: `film_grain_params_present` is its last bit, before a
    one and zeros that fill the byte.
    """
    try:
        _, _, header = av1_unit(extradata[4:])
    except Unplannable:
        return True
    bits = int.from_bytes(header, "big")
    return bits == 0 or bool(bits & (bits & -bits) << 1)


def _tell(context: VideoCodecContext, cpu: VideoCodecContext) -> None:
    """Tell a decoder, new or of an earlier clip, what the container says of its stream, as the CPU's was told."""
    for name in ("color_range", "colorspace", "color_primaries", "color_trc", "reorder_depth"):
        setattr(context, name, getattr(cpu, name))


def _cpu_picture(cpu: VideoCodecContext, key: Packet[VideoStream]) -> VideoFrame | None:
    """The picture of a key packet by the stream's own decoder, which is as new afterwards; None where it gives none."""
    depth = cpu.reorder_depth
    try:
        return _only_picture(cpu, key)
    except av.error.FFmpegError:
        return None
    finally:
        cpu.reorder_depth = depth


def _only_picture(context: VideoCodecContext, key: Packet[VideoStream]) -> VideoFrame | None:
    """The picture of a key packet alone; None where it gives not just one. The decoder is empty afterwards."""
    alone = Packet(bytes(key))  # a copy, which the container does not forbid to show
    alone.pts, alone.dts, alone.time_base, alone.is_keyframe = key.pts, key.dts, key.time_base, True
    context.flush_buffers()
    try:
        frames = context.decode(alone) + context.decode(None)
    finally:
        context.flush_buffers()
    return frames[0] if len(frames) == 1 else None


def _what_counts(frame: VideoFrame) -> tuple[object, ...]:
    """What the scaler goes by besides the pixels."""
    return frame.width, frame.height, frame.colorspace, frame.color_range, orientation(frame)


def _same_planes(one: VideoFrame, other: VideoFrame) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(_planes(one), _planes(other), strict=True))


def _planes(frame: VideoFrame) -> list[NDArray[np.uint8]]:
    """The planes of a yuv420p frame, (height, width) each."""
    return [
        np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
