"""Whether a sound file ends before its headers say that it does.

A copy or download that broke off keeps its valid head, and decoders just stop early: fewer samples and no error.
"""

from scripts.shared.audio.mpeg import ReadAt, cut_frame, first_frame, frame_header
from scripts.shared.video import container_end

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_OGG_TAIL = 27 + 255 + 255 * 255  # bytes of the longest page


def cut_off(read_at: ReadAt, size: int) -> str | None:
    """What is missing at the end of a file, or None where nothing is or its format cannot tell.

    FLAC needs no look: its decoder stops with an error.

    Args:
        read_at: reads a part of the file.
        size: of the file in bytes.
    """
    head = read_at(0, 16)
    if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
        return _cut_wave(read_at, size)
    if head[:4] == b"OggS":
        return _cut_ogg(read_at, size)
    if head == _ASF:
        return _cut_asf(read_at, size)
    if frame_header(read_at(first_frame(read_at, size), 6), 0) is not None:
        return cut_frame(read_at, size)
    return container_end.cut_off(read_at, size)


def _cut_wave(read_at: ReadAt, size: int) -> str | None:
    big = read_at(0, 4) == b"RIFX"
    at, long_size = 12, None
    while at + 8 <= size:
        kind = read_at(at, 4)
        length = int.from_bytes(read_at(at + 4, 4), "big" if big else "little")
        if kind == b"ds64":
            long_size = int.from_bytes(read_at(at + 16, 8), "little")
        if kind == b"data":
            if length == 0xFFFFFFFF and long_size is not None:
                length = long_size
            elif length >= 0xFFFFF000 or 0x7FFFF000 <= length <= 0x80000000:
                return None  # written to a pipe, which has no way back to the header
            missing = at + 8 + length - size
            return f"its 'data' chunk ends {missing} bytes after the file" if missing > 0 else None
        at += 8 + length + (length & 1)
    return None


def _cut_ogg(read_at: ReadAt, size: int) -> str | None:
    begin = max(size - _OGG_TAIL, 0)
    data = read_at(begin, size - begin)
    at = data.rfind(b"OggS")
    if at < 0:
        return f"the last {len(data)} bytes hold no Ogg page"
    n_segments = data[at + 26] if at + 27 <= len(data) else 0
    table = data[at + 27 : at + 27 + n_segments]
    end = at + 27 + n_segments + sum(table)
    if at + 27 > len(data) or len(table) < n_segments or end > len(data):
        return "its last Ogg page ends after the file"
    if end < len(data) and not data[at + 5] & 4:
        return "its last Ogg page is not marked as the end, and other bytes follow"
    return None  # also where a recording was stopped: a file of whole pages without a mark of the end


def _cut_asf(read_at: ReadAt, size: int) -> str | None:
    header = read_at(0, min(int.from_bytes(read_at(16, 8), "little"), 1 << 20))
    at = header.find(_ASF_FILE_PROPERTIES)
    if at < 0 or len(header) < at + 104:
        return None
    declared = int.from_bytes(header[at + 40 : at + 48], "little")
    broadcast = header[at + 88] & 1
    return f"its header declares {declared - size} bytes more" if declared > size and not broadcast else None
