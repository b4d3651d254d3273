"""Which VP9 and AV1 packets are key frames, and how many frames they show."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.shared.video.packets import Unplannable
from scripts.shared.video.vp9_av1 import av1_unit, vp9_unit

# VP9, first byte: marker 10, profile 00, show_existing_frame, frame_type (0 is a key), show_frame, error_res.
KEY, SHOWN, HIDDEN, AGAIN = b"\x82key", b"\x86shown", b"\x84hidden", b"\x88"


def superframe(*frames: bytes) -> bytes:
    mark = bytes([0xC0 | len(frames) - 1])
    return b"".join(frames) + mark + b"".join(bytes([len(frame)]) for frame in frames) + mark


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (KEY, (True, 1)),
        (SHOWN, (False, 1)),
        (HIDDEN, (False, 0)),
        (AGAIN, (False, 1)),
        (superframe(HIDDEN, SHOWN), (False, 1)),
        (superframe(KEY, HIDDEN), (True, 1)),
        (superframe(HIDDEN, KEY), (False, 1)),
        (superframe(SHOWN, SHOWN), (False, 2)),
        (b"\xb1\x00", (True, 1)),  # profile 3 has a reserved bit before the others
        (b"\xb2\x00", (False, 0)),
    ],
)
def test_vp9_frames_are_counted_as_they_are_shown(data: bytes, expected: tuple[bool, int]) -> None:
    assert vp9_unit(data) == expected


def obu(kind: int, payload: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(payload)]) + payload


HEADER = obu(1, b"sequence")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (HEADER + obu(6, b"\x10frame"), (True, 1, b"sequence")),
        (obu(6, b"\x30frame"), (False, 1, b"")),
        (obu(6, b"\x20frame"), (False, 0, b"")),
        (obu(3, b"\x80"), (False, 1, b"")),
        (obu(6, b"\x20frame") + obu(6, b"\x30frame"), (False, 1, b"")),
        (obu(6, b"\x00frame"), (False, 0, b"")),  # a key frame that is shown later
    ],
)
def test_av1_frames_are_counted_as_they_are_shown(data: bytes, expected: tuple[bool, int, bytes]) -> None:
    assert av1_unit(data) == expected


@pytest.mark.parametrize("data", [b"\0", b"\x42", b"\xff" * 9])
def test_what_is_no_vp9_frame_is_said_so(data: bytes) -> None:
    with pytest.raises(Unplannable):
        vp9_unit(data)


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x32\x7f\0", b"\x32" + b"\xff" * 9, b"\x36\x08\x01\x30"])
def test_what_is_no_av1_unit_is_said_so(data: bytes) -> None:
    with pytest.raises(Unplannable):
        av1_unit(data)


@given(data=st.binary(max_size=64))
@settings(derandomize=True, deadline=None)
def test_any_bytes_give_an_answer_or_a_reason(data: bytes) -> None:
    for read in (vp9_unit, av1_unit):
        with contextlib.suppress(Unplannable):
            read(data)
