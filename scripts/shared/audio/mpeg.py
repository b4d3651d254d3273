"""Frames of MP3 and of AAC in ADTS, as far as their headers go."""

from collections.abc import Callable
from typing import NamedTuple

ReadAt = Callable[[int, int], bytes]  # (first byte, count) -> at most that many bytes

_BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # kbit/s, MPEG 1 layer III
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # MPEG 2 and 2.5 layer III
_RATES = (44100, 48000, 32000)  # Hz, MPEG 1; half in MPEG 2, a quarter in 2.5
_TAIL = 1 << 16
_ENOUGH_FRAMES = 4  # in a row: fewer may be chance


class Header(NamedTuple):
    """Of one frame: its length in bytes, and what all frames of a file share."""

    length: int
    kind: tuple[int, ...]


def frame_header(data: bytes, at: int) -> Header | None:
    """Read the header of an MP3 (layer III) or ADTS frame at a place; None where there is none."""
    if at + 6 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, data[at + 1] >> 1 & 3
    if layer == 0 and data[at + 1] & 0xF0 == 0xF0:
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        return Header(length, (data[at + 1], data[at + 2] & 0xFC)) if length >= 7 else None
    bitrate, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if layer != 1 or version == 1 or rate == 3 or not 0 < bitrate < 15:
        return None  # bitrate 0 is "free": its frames do not tell their length
    padding = data[at + 2] >> 1 & 1
    if version == 3:
        length = 144_000 * _BITRATES_1[bitrate] // _RATES[rate] + padding
    else:
        length = 72_000 * _BITRATES_2[bitrate] // (_RATES[rate] >> (1 if version == 2 else 2)) + padding
    return Header(length, (version, rate))


def first_frame(read_at: ReadAt, size: int) -> int:
    """Where the tags (ID3v2) at the begin of a file end."""
    at = 0
    while at + 10 <= size:
        head = read_at(at, 10)
        if head[:3] != b"ID3":
            break
        at += 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)
    return at


def _syncsafe(data: bytes) -> int:
    return sum((byte & 0x7F) << (21 - 7 * place) for place, byte in enumerate(data))


def counts_its_frames(read_at: ReadAt, size: int) -> bool:
    """Whether the first frame of an MP3 counts them all, in a tag `Xing`, or `Info` in files of one bit rate."""
    at = first_frame(read_at, size)
    data = read_at(at, 200)
    if frame_header(data, 0) is None:
        return False
    # After the header and the side information, whose length goes by version and channels; both flags are in sight.
    for place in (13, 21, 36):
        if data[place : place + 4] in (b"Xing", b"Info"):
            return bool(data[place + 7] & 1)
    return False


def cut_frame(read_at: ReadAt, size: int) -> str | None:
    """What is missing of the last frame, or None where nothing is or no frame is found before the end."""
    end = _without_tags(read_at, size)
    begin = max(end - _TAIL, first_frame(read_at, size))
    data = read_at(begin, end - begin)
    at = 0
    while (at := data.find(b"\xff", at)) >= 0:
        last, n_frames = _follow(data, at)
        if n_frames >= _ENOUGH_FRAMES:
            if last > len(data):
                return f"its last frame ends {last - len(data)} bytes after the file"
            if len(data) - 6 < last < len(data) and data[last] == 0xFF:
                return "its last frame ends within its header"
            at = last  # the end, or bytes that are no frame: look for more behind them
        else:
            at += 1
    return None


def _follow(data: bytes, at: int) -> tuple[int, int]:
    """(where the frames in a row from a place on end, how many they are)."""
    n_frames, first = 0, frame_header(data, at)
    header = first
    while header is not None and first is not None and header.kind == first.kind:
        n_frames += 1
        at += header.length
        header = frame_header(data, at)
    return at, n_frames


def _without_tags(read_at: ReadAt, size: int) -> int:
    """Where the tags at the end of a file (APEv2, ID3v1) begin."""
    end = size
    if end >= 128 and read_at(end - 128, 3) == b"TAG":
        end -= 128
    footer = read_at(max(end - 32, 0), 32)
    if footer[:8] == b"APETAGEX":
        length = int.from_bytes(footer[12:16], "little") + (32 if footer[23] & 0x80 else 0)
        end -= min(length, end)
    return end
