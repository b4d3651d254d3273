"""Whether a search for a time in a transport stream is safe."""

import av
import pytest

from scripts.shared.video import ts_times
from scripts.shared.video.ts_times import _times, times_ascend
from tests.unit.shared.video.conftest import OddVideo

PID = 0x100


def ascend(data: bytes, pid: int = PID) -> bool:
    return times_ascend(lambda at, count: data[at : at + count], len(data), pid)


@pytest.mark.parametrize("name", ["ts", "hevc ts", "mpeg2 ts", "cut ts", "ts from mid stream"])
def test_times_of_a_stream_ascend(name: str, odd_video: OddVideo) -> None:
    assert ascend(odd_video(name).read_bytes())


def test_a_clock_that_starts_again_is_noticed(odd_video: OddVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    data = odd_video("ts").read_bytes()
    for window in (24, 1):
        monkeypatch.setattr(ts_times, "_WINDOW", window * ts_times._BLOCK)
        assert not ascend(data + data)
        assert not ascend(data * 20 + data[: 188 * 20])
        assert not ascend(data[: 188 * 20] + data * 20)


def test_a_stream_of_other_packets_or_another_stream_has_no_times(odd_video: OddVideo) -> None:
    data = odd_video("ts").read_bytes()
    assert not ascend(data, PID + 1)
    assert not ascend(b"\0" * 20000)
    assert not ascend(b"".join(data[at : at + 188] + bytes(4) for at in range(0, len(data), 188)))
    assert not ascend(b"")


def test_each_frame_has_its_decode_time_wherever_reading_begins(
    odd_video: OddVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = odd_video("ts")
    data = path.read_bytes()
    with av.open(str(path)) as container:
        frames = [(packet.pos, packet.dts) for packet in container.demux(video=0) if packet.size]
    for block in (64, 7):
        monkeypatch.setattr(ts_times, "_BLOCK", block * 188)
        for begin in (0, 1, 188, 4000, 20000, len(data) - 500):
            times = list(_times(lambda at, count: data[at : at + count], begin, PID))
            assert times == [dts for place, dts in frames if place >= begin]
