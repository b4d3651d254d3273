"""Packets of a video stream: all of them, or from a place on where an interval can be decoded."""

# PyAV's Packet is generic in its stubs only.
from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from scripts.shared.video.interval import Stretch
from scripts.shared.video.source import VideoFile
from scripts.shared.video.ts_times import times_ascend

Packets: TypeAlias = "Iterator[Packet[VideoStream]]"

# Formats whose index says where a time is. FLV files seldom have one, and recordings start their clock again.
_INDEXED_FORMATS = frozenset({"mov", "matroska"})


def format_name(container: InputContainer) -> str:
    """FFmpeg's first name of a container's format, such as "mov" or "matroska"."""
    return container.format.name.split(",")[0]


def read_packets(video: VideoFile, container: InputContainer, stream: VideoStream) -> Packets:
    """The packets of the stream that hold bytes, in the order of the file, from where the container stands.

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


def packets_from(video: VideoFile, container: InputContainer, stream: VideoStream, target: int | None) -> Packets:
    """Packets from a seek to the time `target` on, none where it fails; all from here on without a target."""
    if target is not None:
        try:
            container.seek(target, stream=stream)
        except av.error.FFmpegError:
            return iter(())
    return read_packets(video, container, stream)


def seek_targets(video: VideoFile, container: InputContainer, stream: VideoStream, stretch: Stretch) -> Iterator[int]:
    """Times to seek to for a stretch, each further back than the last one; then only the file's start is left.

    A seek lands at a key frame by its decode time, which may be shown after the stretch begins, and in a
    transport stream anywhere: who follows looks whether a key frame shown in time was met.
    """
    start = stream.start_time or 0
    name = format_name(container)
    if not start < stretch.first or not (name in _INDEXED_FORMATS or name == "mpegts"):
        return
    if name == "mpegts" and not times_ascend(video.read_at, video.size, stream.id):
        return
    second = math.ceil(1 / (stream.time_base or Fraction(1)))
    target, back = int(stretch.first), second
    while target > start:
        yield target
        target, back = int(stretch.first) - back, 2 * back
