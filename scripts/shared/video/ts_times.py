"""Whether the times of an MPEG transport stream ascend, so that one of them names one place in the file.

Recordings and parts of streams are joined byte by byte, and each then starts its clock again. A transport
stream has no index to tell; looking for a time in it may end in any part.

Source: ISO/IEC 13818-1, 2.4.3.2 (packets), 2.4.3.6 (PES headers).
"""

from collections.abc import Iterator
from itertools import islice

from scripts.shared.video.container_end import ReadAt

_PACKET = 188
_PLACES = 64
_BLOCK = 64 * _PACKET
_WINDOW = 24 * _BLOCK  # some 280 KiB, the largest frame of most videos


def times_ascend(read_at: ReadAt, size: int, pid: int) -> bool:
    """Whether the video's times at places all over a transport stream, and all those at its end, never go back.

    Args:
        read_at: reads a part of the file.
        size: of the file in bytes.
        pid: packet identifier of the video stream.

    Returns:
        False also where no times are found, as in packets of another size.
    """
    latest = next(_times(read_at, 0, pid), None)
    if latest is None:
        return False
    end = max(size - _WINDOW, 0)
    for place in range(1, _PLACES + 1):
        times = _times(read_at, end * place // _PLACES, pid)
        for time in islice(times, 1) if place < _PLACES else times:
            if time < latest:
                return False
            latest = time
    return True


def _times(read_at: ReadAt, at: int, pid: int) -> Iterator[int]:
    """Decode times of the video's frames within a window from byte `at` on, in units of 1/90000 s."""
    for block in range(at, at + _WINDOW, _BLOCK):
        # A packet that begins in a block may end in the next one.
        data = read_at(block, _BLOCK + _PACKET - 1)
        for start in range(_first_packet(data), min(_BLOCK, len(data) - _PACKET + 1), _PACKET):
            packet = data[start : start + _PACKET]
            if packet[0] == 0x47 and int.from_bytes(packet[1:3], "big") & 0x5FFF == 0x4000 | pid:  # a frame begins
                payload = packet[4 + (packet[3] & 0x20 and 1 + packet[4]) :]
                if payload[:3] == b"\0\0\1" and len(payload) >= 19 and payload[7] & 0x80:
                    # The decode time follows the presentation time where the two differ.
                    yield _stamp(payload[14:19] if payload[7] & 0x40 else payload[9:14])


def _first_packet(data: bytes) -> int:
    """Where packets begin in a part of a file; its end where they do not."""
    for phase in range(min(_PACKET, len(data))):
        if all(byte == 0x47 for byte in data[phase : phase + 5 * _PACKET : _PACKET]):
            return phase
    return len(data)


def _stamp(field: bytes) -> int:
    return (field[0] & 14) << 29 | field[1] << 22 | (field[2] & 254) << 14 | field[3] << 7 | field[4] >> 1
