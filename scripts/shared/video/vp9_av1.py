"""What a VP9 or AV1 packet says of itself, without decoding.

Frames that nothing refers to are not told apart here: a VP9 frame hands its motion vectors and symbol
statistics on even then, so leaving it out would change the next one.

Sources: VP9 Bitstream & Decoding Process Specification v0.6, 6.1, 6.2 and Annex B; AV1 Bitstream & Decoding
Process Specification 5.3 to 5.9.
"""

from collections.abc import Iterator

from scripts.shared.video.packets import Unplannable

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6


def vp9_unit(data: bytes) -> tuple[bool, int]:
    """(its first frame is a key frame, number of frames in it that are shown).

    Raises:
        Unplannable: not a VP9 frame.
    """
    key, n_shown = False, 0
    for number, start in enumerate(_vp9_frames(data)):
        bits = int.from_bytes(data[start : start + 2].ljust(2, b"\0"), "big")
        if bits >> 14 != 2:
            raise Unplannable("a packet is no VP9 frame")
        # After the marker and the two profile bits; profile 3 has one reserved bit more.
        at = 11 - ((bits >> 12) & 3 == 3)
        if (bits >> at) & 1:  # show_existing_frame
            n_shown += 1
            continue
        n_shown += (bits >> (at - 2)) & 1
        key = key or (number == 0 and not (bits >> (at - 1)) & 1)
    return key, n_shown


def _vp9_frames(data: bytes) -> Iterator[int]:
    """First byte of each frame of a superframe, or of the one frame that the packet is."""
    last = data[-1] if data else 0
    if last >> 5 == 6:
        n_frames, n_bytes = (last & 7) + 1, ((last >> 3) & 3) + 1
        index = len(data) - (2 + n_frames * n_bytes)
        if index >= 0 and data[index] == last:
            at = 0
            for number in range(n_frames):
                place = index + 1 + number * n_bytes
                size = int.from_bytes(data[place : place + n_bytes], "little")
                if at + size > index:
                    raise Unplannable("a VP9 superframe is longer than its packet")
                if size:
                    yield at
                at += size
            return
    yield 0


def av1_unit(data: bytes) -> tuple[bool, int, bytes]:
    """(its first frame is a shown key frame, number of frames in it that are shown, its sequence header).

    Raises:
        Unplannable: malformed, or it has spatial layers.
    """
    key, n_shown, n_frames, header = False, 0, 0, b""
    at = 0
    while at < len(data):
        first = data[at]
        start = at + 1 + ((first >> 2) & 1)
        if first & 0x80 or start > len(data):
            raise Unplannable("a packet is no AV1 temporal unit")
        if first & 4 and (data[at + 1] >> 3) & 3:
            raise Unplannable("the stream has spatial layers")
        size, start = _leb128(data, start) if first & 2 else (len(data) - start, start)
        at = start + size
        if at > len(data):
            raise Unplannable("an AV1 temporal unit is longer than its packet")
        kind = (first >> 3) & 15
        if kind == _SEQUENCE_HEADER:
            header = data[start:at]
        elif kind in (_FRAME_HEADER, _FRAME) and size:
            # show_existing_frame, two bits of frame_type (0 is a key frame), show_frame.
            bits = data[start] >> 4
            shown = bool(bits & 8 or bits & 1)
            key = key or (n_frames == 0 and bits == 1)
            n_shown += shown
            n_frames += 1
    return key, n_shown, header


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A little-endian base-128 number and where it ends."""
    value = 0
    for place in range(8):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise Unplannable("a packet is no AV1 temporal unit")
