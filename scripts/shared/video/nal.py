"""What the NAL units of an H.264 or HEVC packet say of it, without decoding.

Sources: ITU-T H.264 7.3.1, 7.4.1 and D.1.8; ITU-T H.265 7.3.1 and 7.4.2.2; ISO/IEC 14496-15 for packets
whose units carry a length instead of a start code.
"""

from collections.abc import Iterator
from typing import NamedTuple

from scripts.shared.video.packets import Unplannable

_H264_SLICES = frozenset({1, 2, 5})
_H264_PARAMETERS = frozenset({7, 8, 13, 15})
_H264_ENDS = frozenset({10, 11})
_HEVC_PARAMETERS = frozenset({32, 33, 34})
_HEVC_ENDS = frozenset({36, 37})


class AccessUnit(NamedTuple):
    """What the units of one packet say.

    Args:
        random_access: decoding may start here and is exact from this frame on in presentation order.
        unreferenced: no frame of its own or a lower temporal layer refers to it.
        layer: temporal layer (HEVC), else 0.
        parameters: its parameter sets, byte by byte.
        ends_sequence: it closes the coded sequence, after which the next frame is treated as a first one.
    """

    random_access: bool
    unreferenced: bool
    layer: int
    parameters: bytes
    ends_sequence: bool


def length_size(extradata: bytes | None, codec: str) -> int:
    """Bytes of the length before each unit, 0 where start codes part them (Annex B)."""
    if not extradata or extradata[0] != 1:
        return 0
    at = 4 if codec == "h264" else 21
    return (extradata[at] & 3) + 1 if len(extradata) > at else 0


def units(data: bytes, n_length: int) -> Iterator[tuple[int, int]]:
    """(first byte, end) of each NAL unit.

    Raises:
        Unplannable: lengths do not add up to the packet, or no unit is found.
    """
    if n_length:
        at = 0
        while at < len(data):
            start = at + n_length
            at = start + int.from_bytes(data[at:start], "big")
            if at == start or at > len(data):
                raise Unplannable("a packet's NAL units do not add up to its size")
            yield start, at
        return
    start = data.find(b"\0\0\1")
    if start < 0 or data[:start].strip(b"\0"):
        raise Unplannable("a packet does not begin with a start code")
    while start >= 0:
        end = data.find(b"\0\0\1", start + 3)
        stop = len(data) if end < 0 else end
        if stop > start + 3:
            yield start + 3, stop
        start = end


def h264_unit(data: bytes, n_length: int) -> AccessUnit:
    """Read one H.264 packet.

    Random access is an IDR picture, or a picture with a recovery point that promises exact frames from
    itself on (as encoders write for open groups). A mere key flag of the container promises nothing.

    Raises:
        Unplannable: malformed, or no slice in it.
    """
    kind: int | None = None
    unreferenced = recovery = ends = False
    parameters = bytearray()
    for start, stop in units(data, n_length):
        unit = data[start] & 31
        if unit in _H264_SLICES and kind is None:
            kind, unreferenced = unit, not data[start] & 0x60
        elif unit == 6 and kind is None:
            recovery = recovery or _exact_recovery_point(data[start + 1 : stop])
        elif unit in _H264_PARAMETERS:
            parameters += data[start:stop].rstrip(b"\0")
        elif unit in _H264_ENDS:
            ends = True
    if kind is None:
        raise Unplannable("a packet holds no slice")
    return AccessUnit(kind == 5 or recovery, unreferenced, 0, bytes(parameters), ends)


def hevc_unit(data: bytes, n_length: int) -> AccessUnit:
    """Read one HEVC packet.

    Raises:
        Unplannable: malformed, no slice in it, or a second spatial layer or view.
    """
    kind: int | None = None
    layer = 0
    ends = False
    parameters = bytearray()
    for start, stop in units(data, n_length):
        unit = (data[start] >> 1) & 63
        if stop - start < (2 if unit in _HEVC_ENDS else 3):
            raise Unplannable("a packet holds a NAL unit without content")
        if (data[start] & 1) or data[start + 1] >> 3:
            raise Unplannable("the stream has several layers or views")
        if unit < 32 and kind is None:
            kind, layer = unit, (data[start + 1] & 7) - 1
            if 16 <= unit <= 23 and data[start + 2] & 0x40:
                # no_output_of_prior_pics_flag: frames not yet shown are thrown away, which a plan cannot see.
                ends = True
        elif unit in _HEVC_PARAMETERS:
            parameters += data[start:stop].rstrip(b"\0")
        elif unit in _HEVC_ENDS:
            ends = True
    if kind is None:
        raise Unplannable("a packet holds no slice")
    # Types 0 to 14: the even ones are not referred to within their temporal layer.
    return AccessUnit(16 <= kind <= 21, kind < 16 and kind % 2 == 0, layer, bytes(parameters), ends)


def _exact_recovery_point(unit: bytes) -> bool:
    """Whether an SEI unit (without its first byte) holds a recovery point at this frame, exact from here."""
    sei = unit.replace(b"\0\0\3", b"\0\0")
    at = 0
    while at + 2 <= len(sei) and sei[at] != 0x80:
        kind, at = _sei_number(sei, at)
        size, at = _sei_number(sei, at)
        if kind == 6 and size and at < len(sei):
            # First bit set: recovery_frame_cnt is 0; second: exact_match_flag.
            return sei[at] & 0xC0 == 0xC0
        at += size
    return False


def _sei_number(sei: bytes, at: int) -> tuple[int, int]:
    """One payload type or size, written as a run of 255s and a rest; and where it ends."""
    total = 0
    while at < len(sei) and sei[at] == 255:
        total += 255
        at += 1
    return total + (sei[at] if at < len(sei) else 0), at + 1
