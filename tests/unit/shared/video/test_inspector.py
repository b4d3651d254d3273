"""What changes on the way through a stream is noticed."""

from types import SimpleNamespace
from typing import Any

import pytest

from scripts.shared.video.inspector import Inspector
from scripts.shared.video.packets import Unplannable

SPS, OTHER_SPS, PPS, IDR, SLICE = (
    b"\0\0\1" + unit for unit in (b"\x67sps", b"\x67other", b"\x68pps", b"\x65idr", b"\x41slice")
)


class Packet:
    """Of an H.264 stream with start codes."""

    pts = dts = 0
    is_discard = is_corrupt = False

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.is_keyframe = IDR in data

    def __bytes__(self) -> bytes:
        return self._data

    def has_sidedata(self, _: str) -> bool:
        return False


def inspected(*packets: bytes, lands: bool) -> list[bool]:
    """Whether each is a key frame."""
    context = SimpleNamespace(codec=SimpleNamespace(canonical_name="h264"), extradata=None)
    stream: Any = SimpleNamespace(codec_context=context)
    inspector = Inspector(stream, lands=lands)
    made: list[Any] = [Packet(data) for data in packets]
    return [inspector.facts(packet, readable=True).key for packet in made]


@pytest.mark.parametrize("lands", [False, True])
def test_the_same_parameters_may_come_again(lands: bool) -> None:
    assert inspected(SPS + PPS + IDR, SLICE, SPS + PPS + IDR, lands=lands) == [True, False, True]
    assert inspected(IDR, SLICE, IDR, lands=lands) == [True, False, True]
    with pytest.raises(Unplannable, match="parameters change"):
        inspected(SPS + PPS + IDR, SLICE, OTHER_SPS + PPS + IDR, lands=lands)


def test_parameters_that_first_come_some_way_after_a_seek_may_be_new() -> None:
    """Those of the frames before may have been others, in a part of the file that was not read."""
    packets = (IDR, SLICE, SPS + PPS + IDR)
    assert inspected(*packets, lands=False) == [True, False, True]
    with pytest.raises(Unplannable, match="parameters change"):
        inspected(*packets, lands=True)
