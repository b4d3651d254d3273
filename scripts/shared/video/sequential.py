"""Every packet decoded in order, and the wanted frames picked from what comes out.

Decoders go on after damage with what they have: they repeat, smear or skip, and mark only the first frame
that suffers. All later ones up to the next key frame refer to it, so a wanted frame among them is an error.
"""

# PyAV's Packet is generic in its stubs only.
from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator

import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from scripts.shared.errors import SampleError
from scripts.shared.video.picture import PickFrames, Picture, new_picture
from scripts.shared.video.scale import Scaler
from scripts.shared.video.scan import Scan, read_packets
from scripts.shared.video.source import VideoFile


class _Damage:
    """Which frames cannot be trusted, by the packet that each came from."""

    def __init__(self) -> None:
        self.last: str | None = None  # what the latest damage was, for the message
        self._packets: list[int] = []  # damaged ones, ascending
        self._refused: list[int] = []  # packets whose frames were lost
        self._first_key: int | None = None
        self._key: int | None = None  # packet of the latest key frame that was shown

    def refuse(self, packet: int, reason: str) -> None:
        """The decoder gives an error in place of a frame."""
        self._refused.append(packet)
        self.note(packet, f"the decoder refuses a packet: {reason}")

    def n_lost(self, n_packets: int, *, open_end: bool) -> int:
        """Frames lost in mid video.

        Those before the first key frame (a recording that began late) are none of the video, nor is the last
        one where it may be cut (`open_end`).
        """
        first = n_packets if self._first_key is None else self._first_key
        end = n_packets - open_end
        return sum(first <= packet < end for packet in self._refused)

    def note(self, packet: int, what: str) -> None:
        """Something is wrong with a packet or with the frame that it gave."""
        insort(self._packets, packet)
        self.last = what

    def spoils(self, frame: VideoFrame, packet: int) -> bool:
        """Whether a frame, handed over in presentation order, is damaged or may refer to one that is."""
        if frame.is_corrupt:
            self.note(packet, "the decoder mended a damaged frame")
        if frame.key_frame and frame.pict_type in (PictureType.I, PictureType.NONE):
            self._key = packet
            self._first_key = packet if self._first_key is None else self._first_key
        if self._key is None:
            return True
        # Frames are sent before they are shown: damage in packets sent after this one does not reach it.
        before = bisect_right(self._packets, packet)
        return before > 0 and self._packets[before - 1] >= self._key


def decode_all(video: VideoFile, scan: Scan, pick: PickFrames, scaler: Scaler, *, height: int, width: int) -> Picture:
    """The wanted frames of a full sequential decode.

    Args:
        video: the file.
        scan: of its packets. Where another number of frames is delivered than it counts, the file is decoded
            once more, with what `pick` wants of that number.
        pick: chooses among the frames.
        scaler: makes each frame.
        height: of the wanted frames in pixels.
        width: likewise.

    Raises:
        SampleError: `no_frames`, or `corrupt`: frames are lost, or a wanted one is not exact.
    """
    n_frames = scan.n_frames
    while True:
        picture = new_picture(pick, max(n_frames, 1), height=height, width=width)
        n_delivered, spoilt, damage = _one_pass(video, picture, scaler)
        if not n_delivered:
            reason = damage.last or "no error, no frame"
            raise SampleError("no_frames", f"{video.path.name}: none of its packets decodes ({reason})")
        if n_lost := damage.n_lost(len(scan.table), open_end=scan.open_end):
            raise SampleError(
                "corrupt", f"{video.path.name}: {n_lost} of {len(scan.table)} packets give no frame ({damage.last})"
            )
        if n_delivered == n_frames:
            break
        n_frames = n_delivered
    if spoilt is not None:
        raise SampleError(
            "corrupt",
            f"{video.path.name}: frame {spoilt} of {n_frames} cannot be decoded exactly"
            f" ({damage.last or 'no key frame before it'})",
        )
    return picture


def _one_pass(video: VideoFile, picture: Picture, scaler: Scaler) -> tuple[int, int | None, _Damage]:
    """(frames delivered, first wanted frame that is not exact, all damage)."""
    damage = _Damage()
    number, spoilt, duration = 0, None, 0
    height, width = picture.frames.shape[1:3]
    timed: list[tuple[int, int]] = []
    with video.open_stream() as (container, stream):
        decoder = stream.codec_context
        decoder.copy_opaque = True  # each frame then says which packet it came from
        for packet_number, frame in _frames(decoder, read_packets(video, container, stream), damage):
            time = frame.dts if frame.pts is None else frame.pts
            if time is not None:
                timed = [timed[0] if timed else (number, time), (number, time)]
            spoils = damage.spoils(frame, packet_number)
            if picture.wants(number):
                spoilt = number if spoils and spoilt is None else spoilt
                pixels = scaler(frame, height=height, width=width)
                picture.put(number, pixels, pts=number if time is None else time, source=(frame.width, frame.height))
            number += 1
            duration = frame.duration
        if timed:
            picture.time(stream.time_base, timed[0], timed[1], duration)
    return number, spoilt, damage


def _frames(
    decoder: VideoCodecContext, packets: Iterator[Packet[VideoStream]], damage: _Damage
) -> Iterator[tuple[int, VideoFrame]]:
    """(packet number, frame) of all that the decoder delivers; it goes on after errors, as players do."""
    number = -1
    for number, packet in enumerate(packets):
        if packet.is_corrupt:
            damage.note(number, "the container says that bytes are missing")
        packet.opaque = number
        try:
            frames = decoder.decode(packet)
        except av.error.FFmpegError as error:
            damage.refuse(number, error.strerror or str(error))
            continue
        for frame in frames:
            yield _origin(frame, number), frame
    try:
        frames = decoder.decode(None)
    except av.error.FFmpegError as error:
        damage.refuse(number, error.strerror or str(error))
        return
    for frame in frames:
        yield _origin(frame, number), frame


def _origin(frame: VideoFrame, latest: int) -> int:
    """Number of the packet that a frame came from; of the latest one sent where the decoder does not say."""
    return frame.opaque if isinstance(frame.opaque, int) else latest
