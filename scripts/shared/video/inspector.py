"""What each packet of a stream is, by its codec."""

# PyAV's Packet is generic in its stubs only.
from __future__ import annotations

from av.packet import Packet
from av.video.stream import VideoStream

from scripts.shared.video.nal import h264_unit, hevc_unit, length_size
from scripts.shared.video.packets import PacketFacts, Unplannable
from scripts.shared.video.vp9_av1 import av1_unit, vp9_unit

READABLE_CODECS = frozenset({"h264", "hevc", "vp9", "av1"})


class Inspector:
    """Reads packets of one stream by its codec, and notices what changes on the way.

    Args:
        stream: of a codec in `READABLE_CODECS`, or of any where no packet is readable.
        lands: whether what the file holds before the first packet is not read.
    """

    def __init__(self, stream: VideoStream, *, lands: bool) -> None:
        self._lands = lands
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
        first, self._first = self._first, False
        layer, n_shown, unreferenced = 0, 1, False
        data = bytes(packet)
        if self._read_nal is not None:
            if self._ended:
                raise Unplannable("the coded sequence ends and another begins")
            is_key, unreferenced, layer, parameters, self._ended = self._read_nal(data, self._n_length)
            self._note_parameters(parameters, first=first)
        elif self._codec == "vp9":
            is_key, n_shown = vp9_unit(data)
        else:
            is_key, n_shown, parameters = av1_unit(data)
            self._note_parameters(parameters, first=first)
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

    def _note_parameters(self, parameters: bytes, *, first: bool) -> None:
        # Parameters within a stream that first turn up after a seek may be others than those before.
        known = self._parameters or (self._lands and not first)
        if parameters and known and parameters != self._parameters:
            raise Unplannable("the codec's parameters change in mid stream")
        self._parameters = self._parameters or parameters
