"""What a decoder may do wrong with a plan is noticed, with a decoder made up for it."""

from types import SimpleNamespace
from typing import Any

import av.error
import pytest

from scripts.shared.video.exact import _decode_run
from scripts.shared.video.packets import PacketFacts, Run, Unplannable

TABLE = [PacketFacts(pts=pts, dts=pts, key=pts == 0) for pts in range(4)]
RUN = Run(send=(0, 1, 2, 3), wanted=frozenset({3}))


def frame(pts: int | None, **odd: bool) -> Any:
    return SimpleNamespace(pts=pts, **{"is_corrupt": False, "interlaced_frame": False, **odd})


class Decoder:
    """Holds all frames back to the end, as a real one may."""

    def __init__(self, *frames: Any) -> None:
        self._frames = frames

    def decode(self, packet: Any) -> list[Any]:
        if packet == "bad":
            raise av.error.InvalidDataError(1, "Invalid data found")
        return [] if packet else list(self._frames)

    def flush_buffers(self) -> None: ...


def decoded(decoder: Decoder, packets: str = "abcd") -> list[Any]:
    words: list[str] = packets.split() if " " in packets else list(packets)
    return list(_decode_run(decoder, iter(words), TABLE, RUN))  # type: ignore[arg-type]


def test_the_wanted_frames_come_with_their_packet_number() -> None:
    last = frame(3)
    assert decoded(Decoder(frame(0), frame(1), frame(2), last)) == [(3, last)]


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([frame(0), frame(1), frame(3)], "4 packets gave 3 frames"),
        ([frame(0), frame(1), frame(2), frame(2), frame(3)], "4 packets gave 5 frames"),
        ([frame(0), frame(1), frame(2), frame(None)], "4 packets gave 3 frames"),
        ([frame(0), frame(1, is_corrupt=True), frame(2), frame(3)], "mended"),
        ([frame(0), frame(1, interlaced_frame=True), frame(2), frame(3)], "interlaced"),
    ],
)
def test_frames_lost_doubled_or_mended_on_the_way_spoil_the_plan(frames: list[Any], reason: str) -> None:
    with pytest.raises(Unplannable, match=reason):
        decoded(Decoder(*frames))


def test_a_packet_that_the_decoder_refuses_spoils_the_plan() -> None:
    with pytest.raises(Unplannable, match="refuses"):
        decoded(Decoder(frame(0)), "a bad c d")
