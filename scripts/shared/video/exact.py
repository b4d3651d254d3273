"""Exact frames, on the CPU or a card: only the packets that the wanted frames need, or all where that is unsure.

Decoding is nine tenths of the cost of a sample, so the way to be fast is to decode less: nothing before the
key frame of a wanted frame, nothing after the last one, and no frame that no other refers to. The result is
the one of a full sequential decode, pixel by pixel; wherever that is not certain, the full decode is made.
"""

# PyAV's Packet is generic in its stubs only.
from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, dropwhile, islice
from typing import NamedTuple

import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scripts.shared.errors import SampleError
from scripts.shared.video.demux import packets_from
from scripts.shared.video.interval import Stretch, stretch_of
from scripts.shared.video.nvdec import Card, CardDecoder, NotOnCard
from scripts.shared.video.packets import PacketFacts, Run, Unplannable, delivered, plan_runs, presentation_order
from scripts.shared.video.picture import PickFrames, Picture, new_picture
from scripts.shared.video.scale import Scaler
from scripts.shared.video.scan import Scan, scan_packets
from scripts.shared.video.sequential import decode_all
from scripts.shared.video.source import VideoFile


class Decoded(NamedTuple):
    """The wanted frames and how they were had.

    Args:
        picture: the frames.
        codec: name of the codec.
        decoder: which one decoded them.
        fallback: why all packets were decoded; None when only the needed ones were.
        why_cpu: why the CPU decoded although a card was given.
    """

    picture: Picture
    codec: str
    decoder: str
    fallback: str | None = None
    why_cpu: str | None = None


def decode_exact(
    video: VideoFile,
    pick: PickFrames,
    scaler: Scaler,
    *,
    height: int,
    width: int,
    interval: tuple[float, float] | None = None,
    card: Card | None = None,
) -> Decoded:
    """Decode the wanted frames exactly: on a card where it can, else on the CPU.

    Raises:
        SampleError: `no_frames`, `truncated`, `corrupt`, `bad_interval`, `no_times`, and what opening the file raises.
    """
    with video.open_stream() as (container, stream):
        codec = stream.codec_context.codec.canonical_name
        stretch = stretch_of(video.path.name, container, stream, interval)
        scan = scan_packets(video, container, stream, stretch)
        if not scan.table:
            raise SampleError("no_frames", f"{video.path.name}: its video stream holds no packets")
        if scan.frames_end is not None:
            stretch.refuse_beyond(scan.frames_end)
        plan = partial(_decode_planned, video, scan, stream, stretch, pick, scaler, height=height, width=width)
        why_cpu = None
        if card is not None:
            try:
                return Decoded(plan(card=card), codec, "nvdec")
            except (NotOnCard, Unplannable) as reason:
                why_cpu = str(reason)
        try:
            return Decoded(plan(), codec, "cpu", why_cpu=why_cpu)
        except Unplannable as reason:
            fallback = str(reason)
    if scan.tail_unproven:
        raise _tail_error(video)
    picture = decode_all(video, scan, stretch, pick, scaler, height=height, width=width)
    return Decoded(picture, codec, "cpu", fallback, why_cpu)


def _tail_error(video: VideoFile) -> SampleError:
    return SampleError(
        "truncated", f"{video.path.name}: the transport stream may end within its last frame; cut it after a whole one"
    )


def _decode_planned(
    video: VideoFile,
    scan: Scan,
    stream: VideoStream,
    stretch: Stretch,
    pick: PickFrames,
    scaler: Scaler,
    *,
    height: int,
    width: int,
    card: Card | None = None,
) -> Picture:
    """Decode what the wanted frames need.

    Raises:
        NotOnCard: the card cannot do it.
        SampleError: `bad_interval`, `truncated`.
        Unplannable: the result might differ from a full sequential decode.
    """
    if scan.doubt is not None:
        raise Unplannable(scan.doubt)
    order = presentation_order(scan.table, reorder_depth=stream.codec_context.reorder_depth)
    if not order:
        raise Unplannable("no packet holds a frame that is shown")
    order = [number for number in order if stretch.holds(scan.table[number].pts)]
    if not order:
        raise stretch.empty()
    picture = new_picture(pick, len(order), height=height, width=width)
    number_of = {order[number]: number for number in picture.numbers}
    runs = plan_runs(scan.table, list(number_of))
    if scan.tail_unproven and runs[-1].send[-1] == len(scan.table) - 1:
        raise _tail_error(video)
    packets = _packets_of(video, scan, runs)
    decoder: VideoCodecContext | CardDecoder = stream.codec_context
    if card is not None and (key := next(packets, None)) is not None:
        decoder, packets = card.open(stream, key), chain([key], packets)
        scaler = decoder.scaler(scaler)
    for run in runs:
        for packet_number, frame in _decode_run(decoder, packets, scan.table, run):
            pixels = scaler(frame, height=height, width=width)
            size = (frame.width, frame.height)
            picture.put(number_of[packet_number], pixels, pts=frame.pts or 0, source=size)
    if not picture.complete:
        raise Unplannable("a wanted frame did not come out of the decoder")
    first, last = ((number, scan.table[order[number]].pts or 0) for number in (0, len(order) - 1))
    picture.time(stream.time_base, first, last, scan.frame_duration)
    return picture


def _packets_of(video: VideoFile, scan: Scan, runs: Sequence[Run]) -> Iterator[Packet[VideoStream]]:
    """The packets that the runs send, one after the other: as kept by the scan, else read again.

    Where they are not found again, they just end, and frames are missing.
    """
    if scan.packets is not None:
        for run in runs:
            for number in run.send:
                yield scan.packets[number]
        return
    wanted = {number for run in runs for number in run.send}
    with video.open_stream() as (container, stream):
        again = packets_from(video, container, stream, scan.target)
        in_table = dropwhile(lambda packet: (packet.pts, packet.pos) != scan.first, again)
        for number, packet in enumerate(in_table):
            if number in wanted:
                yield packet


def _decode_run(
    decoder: VideoCodecContext | CardDecoder,
    packets: Iterator[Packet[VideoStream]],
    table: Sequence[PacketFacts],
    run: Run,
) -> Iterator[tuple[int, VideoFrame]]:
    """(packet number, frame) of each wanted frame of one run.

    Raises:
        Unplannable: what came out is not frame by frame what went in, or is not whole.
    """
    expected = delivered(table, run)
    number_at = {table[number].pts: number for number in expected}
    n_delivered = 0
    for frame in _decode_packets(decoder, islice(packets, len(run.send))):
        number = number_at.get(frame.pts)
        if number is None:
            continue
        n_delivered += 1
        if frame.is_corrupt:
            raise Unplannable("the decoder mended a damaged frame")
        if frame.interlaced_frame:
            # Two fields may be two packets of one frame, and packets are what is counted.
            raise Unplannable("the video is interlaced")
        if number in run.wanted:
            yield number, frame
    if n_delivered != len(expected):
        raise Unplannable(f"{len(expected)} packets gave {n_delivered} frames")


def _decode_packets(
    decoder: VideoCodecContext | CardDecoder, packets: Iterator[Packet[VideoStream]]
) -> Iterator[VideoFrame]:
    try:
        for packet in packets:
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
        decoder.flush_buffers()
    except av.error.FFmpegError as error:
        raise Unplannable(f"the decoder refuses a packet ({error.strerror})") from error
