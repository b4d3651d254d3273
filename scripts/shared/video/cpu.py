"""Exact frames on the CPU: only the packets that the wanted frames need, or everything where that is unsure.

Decoding is nine tenths of the cost of a sample, so the way to be fast is to decode less: nothing before the
key frame of a wanted frame, nothing after the last one, and no frame that no other refers to. The result is
the one of a full sequential decode, pixel by pixel; wherever that is not certain, the full decode is made.
"""

# PyAV's Packet is generic in its stubs only.
from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from scripts.shared.errors import SampleError
from scripts.shared.video.packets import PacketFacts, Run, Unplannable, delivered, plan_runs, presentation_order
from scripts.shared.video.picture import PickFrames, Picture, new_picture
from scripts.shared.video.scale import Scaler
from scripts.shared.video.scan import Scan, read_packets, scan_packets
from scripts.shared.video.sequential import decode_all
from scripts.shared.video.source import VideoFile


def decode_exact(
    video: VideoFile, pick: PickFrames, scaler: Scaler, *, height: int, width: int
) -> tuple[Picture, str, str | None]:
    """(the wanted frames, the codec, why all packets were decoded for them or None when they were not).

    Raises:
        SampleError: `no_frames`, `truncated`, `corrupt`, and what opening the file raises.
    """
    with video.open_stream() as (container, stream):
        codec = stream.codec_context.codec.canonical_name
        scan = scan_packets(video, container, stream)
        if not scan.table:
            raise SampleError("no_frames", f"{video.path.name}: its video stream holds no packets")
        try:
            picture = _decode_planned(video, scan, stream, pick, scaler, height=height, width=width)
        except Unplannable as reason:
            fallback = str(reason)
        else:
            return picture, codec, None
    if scan.tail_unproven:
        raise _tail_error(video)
    return decode_all(video, scan, pick, scaler, height=height, width=width), codec, fallback


def _tail_error(video: VideoFile) -> SampleError:
    return SampleError(
        "truncated", f"{video.path.name}: the transport stream may end within its last frame; cut it after a whole one"
    )


def _decode_planned(
    video: VideoFile, scan: Scan, stream: VideoStream, pick: PickFrames, scaler: Scaler, *, height: int, width: int
) -> Picture:
    """Decode what the wanted frames need.

    Raises:
        Unplannable: the result might differ from a full sequential decode.
    """
    if scan.doubt is not None:
        raise Unplannable(scan.doubt)
    order = presentation_order(scan.table, reorder_depth=stream.codec_context.reorder_depth)
    if not order:
        raise Unplannable("no packet holds a frame that is shown")
    picture = new_picture(pick, len(order), height=height, width=width)
    number_of = {order[number]: number for number in picture.numbers}
    runs = plan_runs(scan.table, list(number_of))
    if scan.tail_unproven and runs[-1].send[-1] == len(scan.table) - 1:
        raise _tail_error(video)
    packets = _packets_of(video, scan, runs)
    for run in runs:
        for packet_number, frame in _decode_run(stream.codec_context, packets, scan.table, run):
            pixels = scaler(frame, height=height, width=width)
            size = (frame.width, frame.height)
            picture.put(number_of[packet_number], pixels, pts=frame.pts or 0, source=size)
    if not picture.complete:
        raise Unplannable("a wanted frame did not come out of the decoder")
    first, last = ((number, scan.table[order[number]].pts or 0) for number in (0, len(order) - 1))
    picture.time(stream.time_base, first, last, scan.frame_duration)
    return picture


def _packets_of(video: VideoFile, scan: Scan, runs: Sequence[Run]) -> Iterator[Packet[VideoStream]]:
    """The packets that the runs send, one after the other: as kept by the scan, else read again."""
    if scan.packets is not None:
        for run in runs:
            for number in run.send:
                yield scan.packets[number]
        return
    wanted = {number for run in runs for number in run.send}
    with video.open_stream() as (container, stream):
        for number, packet in enumerate(read_packets(video, container, stream)):
            if number in wanted:
                yield packet


def _decode_run(
    decoder: VideoCodecContext, packets: Iterator[Packet[VideoStream]], table: Sequence[PacketFacts], run: Run
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


def _decode_packets(decoder: VideoCodecContext, packets: Iterator[Packet[VideoStream]]) -> Iterator[VideoFrame]:
    try:
        for packet in packets:
            yield from decoder.decode(packet)
        yield from decoder.decode(None)
        decoder.flush_buffers()
    except av.error.FFmpegError as error:
        raise Unplannable(f"the decoder refuses a packet ({error.strerror})") from error
