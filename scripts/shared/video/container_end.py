"""Whether a file ends before its container says that it does.

A copy or download that broke off keeps its valid head, and a demuxer just stops early: fewer frames and no
error. Boxes (MP4), Matroska segments and RIFF lists declare their size; MPEG transport streams declare
nothing, but close each picture with stuffing.
"""

from collections.abc import Callable, Iterator

ReadAt = Callable[[int, int], bytes]  # (first byte, count) -> at most that many bytes

_BOX_TYPES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"pnot", b"sidx"})
_TS_PACKET = 188


def cut_off(read_at: ReadAt, size: int) -> str | None:
    """What is missing at the end of a file, or None where nothing is or its container cannot tell.

    Args:
        read_at: reads a part of the file.
        size: of the file in bytes.
    """
    head = read_at(0, 16)
    if head[4:8] in _BOX_TYPES:
        return _cut_boxes(read_at, size)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return _cut_matroska(read_at, size)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _cut_riff(read_at, size)
    return None


def _cut_boxes(read_at: ReadAt, size: int) -> str | None:
    kinds = set()
    end = 0
    for kind, _, end in _boxes(read_at, size):
        kinds.add(kind)
        # A plain file's index says better whether a sample is missing than the size of `mdat` does.
        if end > size and (kind in (b"moov", b"moof") or b"moof" in kinds):
            return f"its last '{kind.decode('ascii', 'replace')}' box ends {end - size} bytes after the file"
    if b"moov" not in kinds:
        missing = f", and its last box ends {end - size} bytes after the file" if end > size else ""
        return f"it has no 'moov' box (the index, often written last){missing}"
    return None


def _boxes(read_at: ReadAt, size: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, first byte, end) of each top-level box of an ISO base media file."""
    at = 0
    while at + 8 <= size:
        head = read_at(at, 16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:
            length = size - at
        if length < 8:
            return
        yield kind, at, at + length
        at += length


def _cut_matroska(read_at: ReadAt, size: int) -> str | None:
    header_size, at = _ebml_size(read_at, 4)
    at += header_size or 0
    while at + 12 <= size:
        if read_at(at, 4) == b"\x18\x53\x80\x67":
            length, start = _ebml_size(read_at, at + 4)
            if length is not None and start + length > size:
                return f"its Matroska segment ends {start + length - size} bytes after the file"
            return None
        length, start = _ebml_size(read_at, at + 1)
        if length is None:
            return None
        at = start + length
    return None


def _ebml_size(read_at: ReadAt, at: int) -> tuple[int | None, int]:
    """An EBML element's size (None: unknown) and where its content begins."""
    field = read_at(at, 8)
    if len(field) < 8 or not field[0]:
        return None, at
    n_bytes = 9 - field[0].bit_length()
    value = int.from_bytes(field[:n_bytes], "big") & ((1 << (7 * n_bytes)) - 1)
    return (None if value == (1 << (7 * n_bytes)) - 1 else value), at + n_bytes


def _cut_riff(read_at: ReadAt, size: int) -> str | None:
    at = 12
    while at + 12 <= size:
        head = read_at(at, 12)
        end = at + 8 + int.from_bytes(head[4:8], "little")
        if head[:4] == b"LIST" and head[8:12] == b"movi":
            # Streamed files leave the size at zero or at its maximum.
            declared = 0 < end - at - 8 < 0xFFFFFFF0
            return f"its 'movi' list ends {end - size} bytes after the file" if declared and end > size else None
        at = end + (end & 1)
    return "it has no 'movi' list, which holds the frames"


def ts_tail_unproven(read_at: ReadAt, size: int, pid: int) -> bool:
    """Whether the last picture of a transport stream may be cut: its last packet has no stuffing.

    A picture fills its last packet exactly in one of 184 complete files; those count as cut.

    Args:
        read_at: reads a part of the file.
        size: of the file in bytes.
        pid: packet identifier of the video stream.
    """
    n_tail = min(size, 4096 * _TS_PACKET)
    tail = read_at(size - n_tail, n_tail)
    for phase in range(len(tail) - _TS_PACKET, max(len(tail) - 2 * _TS_PACKET, -1), -1):
        places = range(phase, -1, -_TS_PACKET)
        if all(tail[place] == 0x47 for place in places[:8]):
            for place in places:
                if int.from_bytes(tail[place + 1 : place + 3], "big") & 0x1FFF == pid:
                    return not _stuffing(tail[place : place + _TS_PACKET])
            return True
    return True


def _stuffing(packet: bytes) -> int:
    """Bytes of filling in a transport packet's adaptation field, which also carries clocks."""
    if not packet[3] & 0x20:
        return 0
    length, flags = packet[4], packet[5]
    if not length:
        return 1
    used = 1 + 6 * (flags >> 4 & 1) + 6 * (flags >> 3 & 1) + (flags >> 2 & 1)
    if flags & 3:  # private data or an extension, whose length is not looked up: nothing is proven
        return 0
    return length - used
