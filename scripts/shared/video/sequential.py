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
from scripts.shared.video.demux import Packets, read_packets
from scripts.shared.video.interval import Disorder, Sieve, Stretch
from scripts.shared.video.picture import PickFrames, Picture, new_picture
from scripts.shared.video.scale import Scaler
from scripts.shared.video.scan import Scan
from scripts.shared.video.source import VideoFile


class _Damage:
    """Which frames cannot be trusted, by the packet that each came from."""

    def __init__(self) -> None:
        self.last: str | None = None  # what the latest damage was, for the message
        self.n_delivered = 0  # frames that were judged
        self._packets: list[int] = []  # damaged ones, ascending
        self.refused: dict[int, int | None] = {}  # packets whose frames were lost, and their times
        self.n_packets: int | None = None  # in the file, once all are read
        self.reaches_stretch = False  # whether a group of frames with damage reaches into it
        self._first_key: int | None = None
        self._key: int | None = None  # packet of the latest key frame that was shown
        self._key_before = 0  # and of the one before it

    def refuse(self, number: int, packet: Packet[VideoStream] | None, error: av.error.FFmpegError) -> None:
        """The decoder gives an error in place of a frame, that of a packet or one it held back."""
        self.refused[number] = None if packet is None else packet.dts if packet.pts is None else packet.pts
        self.note(number, f"the decoder refuses a packet: {error.strerror or error}")

    def n_lost(self, stretch: Stretch, *, open_end: bool) -> int:
        """Frames lost in a stretch, or at an unknown time.

        Those before the first key frame (a recording that began late) are none of the video, nor is the last
        one of the file where it may be cut (`open_end`).
        """
        if self._first_key is None:
            return 0
        last = self.n_packets - 1 if open_end and self.n_packets is not None else None
        return sum(
            self._first_key <= packet != last and (time is None or stretch.holds(time))
            for packet, time in self.refused.items()
        )

    def note(self, packet: int, what: str) -> None:
        """Something is wrong with a packet or with the frame that it gave."""
        insort(self._packets, packet)
        self.last = what

    @property
    def may_disorder(self) -> bool:
        """Whether frames were lost so lately that those around them may come in another order."""
        return any(packet >= self._key_before for packet in self.refused)

    @property
    def since_key(self) -> bool:
        """Whether there is any since the latest key frame that was shown."""
        return self._key is not None and bool(self._packets) and self._packets[-1] >= self._key

    def spoils(self, frame: VideoFrame, packet: int) -> bool:
        """Whether a frame, handed over in presentation order, is damaged or may refer to one that is."""
        self.n_delivered += 1
        if frame.is_corrupt:
            self.note(packet, "the decoder mended a damaged frame")
        if frame.key_frame and frame.pict_type in (PictureType.I, PictureType.NONE):
            self._key_before = self._key or 0
            self._key = packet
            self._first_key = packet if self._first_key is None else self._first_key
        if self._key is None:
            return True
        # Frames are sent before they are shown: damage in packets sent after this one does not reach it.
        before = bisect_right(self._packets, packet)
        return before > 0 and self._packets[before - 1] >= self._key


def decode_all(
    video: VideoFile, scan: Scan, stretch: Stretch, pick: PickFrames, scaler: Scaler, *, height: int, width: int
) -> Picture:
    """The wanted frames of a full sequential decode, of a stretch of one that ends soon after it.

    Args:
        video: the file.
        scan: of its packets. Where another number of frames is delivered than it counts, the file is decoded
            once more, with what `pick` wants of that number.
        stretch: the part of the video to choose from.
        pick: chooses among the frames.
        scaler: makes each frame.
        height: of the wanted frames in pixels.
        width: likewise.

    Raises:
        SampleError: `no_frames`, `bad_interval` where the stretch holds none, `no_times`, or `corrupt`: frames are
            lost, or a wanted one is not exact.
    """
    n_frames = scan.n_frames
    while True:
        picture = new_picture(pick, max(n_frames, 1), height=height, width=width)
        n_within, spoilt, damage = _one_pass(video, picture, stretch, scaler)
        if not damage.n_delivered:
            reason = damage.last or "no error, no frame"
            raise SampleError("no_frames", f"{video.path.name}: none of its packets decodes ({reason})")
        n_lost = damage.n_lost(stretch, open_end=scan.open_end)
        if not n_lost and damage.reaches_stretch and not stretch.is_whole:
            n_lost = scan.n_frames - n_within  # after damage, decoders may swallow packets in silence
        if n_lost > 0:
            raise SampleError(
                "corrupt", f"{video.path.name}: {n_lost} packets{stretch.words} give no frame ({damage.last})"
            )
        if not n_within:
            raise stretch.empty()
        if n_within == n_frames:
            break
        n_frames = n_within
    if spoilt is not None:
        raise SampleError(
            "corrupt",
            f"{video.path.name}: frame {spoilt} of {n_frames}{stretch.words} cannot be decoded exactly"
            f" ({damage.last or 'no key frame before it'})",
        )
    return picture


def _one_pass(video: VideoFile, picture: Picture, stretch: Stretch, scaler: Scaler) -> tuple[int, int | None, _Damage]:
    """(frames in the stretch, number of the first wanted one that is not exact, all damage)."""
    damage = _Damage()
    number, spoilt, duration = 0, None, 0
    height, width = picture.frames.shape[1:3]
    timed: list[tuple[int, int]] = []
    with video.open_stream() as (container, stream):
        decoder = stream.codec_context
        decoder.copy_opaque = True  # each frame then says which packet it came from
        for frame, time, spoils in _frames_within(stretch, decoder, read_packets(video, container, stream), damage):
            if time is not None:
                timed = [timed[0] if timed else (number, time), (number, time)]
            if picture.wants(number):
                spoilt = number if spoils and spoilt is None else spoilt
                pixels = scaler(frame, height=height, width=width)
                picture.put(number, pixels, pts=number if time is None else time, source=(frame.width, frame.height))
            number += 1
            duration = frame.duration
        if timed:
            picture.time(stream.time_base, timed[0], timed[1], duration)
    return number, spoilt, damage


def _frames_within(
    stretch: Stretch, decoder: VideoCodecContext, packets: Packets, damage: _Damage
) -> Iterator[tuple[VideoFrame, int | None, bool]]:
    """(frame, its time, whether damage may reach it) of each frame of a stretch; stops after it.

    Raises:
        SampleError: `no_times`; `corrupt` where damage may be the reason.
    """
    sieve, turns, spoils = Sieve(stretch), _Turns(packets, damage), False
    try:
        for packet_number, frame in _frames(decoder, turns.packets(), damage):
            before = damage.since_key
            spoils = damage.spoils(frame, packet_number)
            turn = turns.next()
            if sieve.keeps(turn if stretch.by_turn else frame.pts):
                yield frame, turn if stretch.by_turn else frame.dts if frame.pts is None else frame.pts, spoils
            damage.reaches_stretch |= before and sieve.entered
            if sieve.done:
                return
        damage.reaches_stretch |= damage.since_key
        sieve.end()
    except Disorder as found:
        if spoils or damage.may_disorder:
            raise SampleError("corrupt", f"{stretch.video}: {found} ({damage.last or 'no key frame yet'})") from None
        raise stretch.no_times(str(found)) from None


class _Turns:
    """The decode times of packets, to be given to the frames in the order in which they are shown."""

    def __init__(self, packets: Packets, damage: _Damage) -> None:
        self._packets, self._damage = packets, damage
        self._times: list[int | None] = []
        self._at = 0

    def packets(self) -> Packets:
        """The packets, noted as they pass."""
        for packet in self._packets:
            self._times.append(packet.dts)
            yield packet

    def next(self) -> int | None:
        """Time of the next frame that is shown."""
        while self._at in self._damage.refused:
            self._at += 1
        self._at += 1
        return self._times[self._at - 1] if self._at <= len(self._times) else None


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
            damage.refuse(number, packet, error)
            continue
        for frame in frames:
            yield _origin(frame, number), frame
    damage.n_packets = number + 1
    try:
        frames = decoder.decode(None)
    except av.error.FFmpegError as error:
        damage.refuse(number, None, error)
        return
    for frame in frames:
        yield _origin(frame, number), frame


def _origin(frame: VideoFrame, latest: int) -> int:
    """Number of the packet that a frame came from; of the latest one sent where the decoder does not say."""
    return frame.opaque if isinstance(frame.opaque, int) else latest
