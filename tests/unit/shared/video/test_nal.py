"""NAL units told apart by their first bytes, in both ways of packing them."""

import pytest

from scripts.shared.video.nal import h264_unit, hevc_unit, length_size, units
from scripts.shared.video.packets import Unplannable

IDR, P_SLICE, B_SLICE = b"\x65\x88\x84", b"\x41\x9a\x01", b"\x01\x9e\x01"
SPS, PPS, END = b"\x67\x64\x1f", b"\x68\xeb\xe3", b"\x0a"
# SEI: recovery point (6), one byte: recovery_frame_cnt 0, exact_match_flag 1; then after two frames; then inexact.
EXACT_POINT, LATER_POINT, INEXACT_POINT = b"\x06\x06\x01\xc4\x80", b"\x06\x06\x01\x78\x80", b"\x06\x06\x01\x84\x80"
USER_DATA = b"\x06\x05\x12" + bytes(range(1, 19)) + b"\x80"


def annex_b(*nal_units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in nal_units)


def with_lengths(*nal_units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in nal_units)


@pytest.mark.parametrize(("pack", "n_length"), [(annex_b, 0), (with_lengths, 4)])
def test_a_frame_that_none_refers_to_has_reference_number_zero(pack, n_length: int) -> None:  # type: ignore[no-untyped-def]
    assert h264_unit(pack(B_SLICE), n_length).unreferenced
    assert not h264_unit(pack(P_SLICE), n_length).unreferenced
    assert not h264_unit(pack(SPS, PPS, IDR), n_length).unreferenced


@pytest.mark.parametrize(("pack", "n_length"), [(annex_b, 0), (with_lengths, 4)])
def test_decoding_may_start_at_an_idr_or_an_exact_recovery_point(pack, n_length: int) -> None:  # type: ignore[no-untyped-def]
    assert h264_unit(pack(SPS, PPS, IDR), n_length).random_access
    assert h264_unit(pack(USER_DATA, EXACT_POINT, P_SLICE), n_length).random_access
    assert h264_unit(pack(USER_DATA[:-1] + EXACT_POINT[1:], P_SLICE), n_length).random_access
    for other in (LATER_POINT, INEXACT_POINT, USER_DATA):
        assert not h264_unit(pack(other, P_SLICE), n_length).random_access


def test_parameter_sets_and_the_end_of_a_sequence_are_noted() -> None:
    unit = h264_unit(annex_b(SPS, PPS, IDR, END), 0)
    assert unit.parameters == SPS + PPS
    assert unit.ends_sequence


@pytest.mark.parametrize(
    ("data", "n_length"),
    [
        (b"", 4),
        (with_lengths(IDR)[:-1], 4),
        (with_lengths(IDR) + bytes(4), 4),
        (bytes(64), 4),
        (bytes(64), 0),
        (b"garbage", 0),
        (with_lengths(SPS), 4),
        (annex_b(SPS), 0),
    ],
)
def test_a_malformed_packet_is_never_planned_with(data: bytes, n_length: int) -> None:
    with pytest.raises(Unplannable):
        h264_unit(data, n_length)
    with pytest.raises(Unplannable):
        hevc_unit(data, n_length)


def hevc(kind: int, layer: int = 0, payload: bytes = b"\x80\x10", view: int = 0) -> bytes:
    return bytes([kind << 1 | view >> 5, (view & 31) << 3 | layer + 1]) + payload


@pytest.mark.parametrize(
    ("kind", "random_access", "unreferenced"),
    [(0, False, True), (1, False, False), (2, False, True), (8, False, True), (9, False, False)]
    + [(kind, True, False) for kind in (16, 17, 18, 19, 20, 21)],
)
def test_hevc_types_say_key_and_reference(kind: int, random_access: bool, unreferenced: bool) -> None:
    unit = hevc_unit(annex_b(hevc(kind)), 0)
    assert (unit.random_access, unit.unreferenced) == (random_access, unreferenced)


def test_hevc_says_its_temporal_layer_and_refuses_views() -> None:
    assert hevc_unit(with_lengths(hevc(0, layer=2)), 4).layer == 2
    with pytest.raises(Unplannable, match="several layers"):
        hevc_unit(with_lengths(hevc(0, view=1)), 4)


def test_a_key_frame_that_throws_earlier_frames_away_ends_the_plan() -> None:
    assert hevc_unit(annex_b(hevc(19, payload=b"\xc0\x10")), 0).ends_sequence


def test_start_codes_of_three_and_four_bytes_part_units() -> None:
    data = b"\0\0\1abc\0\0\0\1def\0\0\1g"
    assert [data[start:stop].rstrip(b"\0") for start, stop in units(data, 0)] == [b"abc", b"def", b"g"]


def test_the_length_before_a_unit_is_as_long_as_the_header_says() -> None:
    assert length_size(bytes([1, 0x64, 0, 31, 0xFF]), "h264") == 4
    assert length_size(bytes([1, 0x64, 0, 31, 0xFD]), "h264") == 2
    assert length_size(b"\x01" + bytes(20) + b"\x03", "hevc") == 4
    assert length_size(b"\0\0\0\1\x67", "h264") == 0
    assert length_size(None, "hevc") == 0
