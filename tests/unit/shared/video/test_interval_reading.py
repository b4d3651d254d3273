"""Of a long or damaged video only the stretch of the interval is read, and only damage in it counts."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from scripts.shared import source_file
from scripts.shared.errors import SampleError
from scripts.shared.video import demux, exact, scan
from scripts.shared.video.frames import read_frames
from scripts.shared.video.interval import Stretch
from scripts.shared.video.packets import Unplannable, presentation_order
from scripts.shared.video.sequential import _Damage, _Turns
from scripts.shared.video.source import VideoFile
from tests.odd_videos import ODD, RATE, burnt_number, ffmpeg
from tests.unit.shared.video.conftest import OddVideo, all_frames, every, outcome, scaled, uniform

N_LOOPS = 400  # of 80 frames, 21 minutes


class Reading:
    """Counts what is read."""

    n_bytes = 0
    n_packets = 0


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    count = Reading()
    pread: Callable[[int, int, int], bytes] = os.pread
    read_packets = demux.read_packets

    def counted_bytes(fd: int, size: int, at: int) -> bytes:
        data = pread(fd, size, at)
        count.n_bytes += len(data)
        return data

    def counted_packets(*arguments: Any) -> Iterator[Any]:
        for packet in read_packets(*arguments):
            count.n_packets += 1
            yield packet

    monkeypatch.setattr(source_file.os, "pread", counted_bytes)
    monkeypatch.setattr(demux, "read_packets", counted_packets)
    return count


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_of_a_long_video_only_the_stretch_is_read(
    suffix: str, odd_video: OddVideo, tmp_path: Path, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"long{suffix}"
    ffmpeg("-stream_loop", str(N_LOOPS - 1), "-i", odd_video("h264"), "-c", "copy", path)
    # At first the packets are kept for decoding, then they are too large for that and read again.
    for begin, held_bytes in ((0, 10**6), (700.1, 10**6), (1279, 10**6), (700.1, 1000)):
        monkeypatch.setattr(scan, "HELD_BYTES", held_bytes)
        reading.n_bytes = reading.n_packets = 0
        got = read_frames(path, uniform, height=60, width=100, interval=(begin, begin + 1))
        assert got.fallback is None
        assert got.n_source_frames == RATE
        first = -(-begin * RATE // 1) % 80
        assert [(burnt_number(picture) - first) % 80 for picture in got.frames] == list(uniform(RATE))
        assert reading.n_bytes < path.stat().st_size / 5
        assert reading.n_packets < 200  # of 32,000


def test_a_stretch_without_a_key_frame_before_it_is_looked_for_further_back(
    odd_video: OddVideo, reading: Reading
) -> None:
    """Its key flags promise nothing, so that only the first frame is one to begin with."""
    path = odd_video("h264 refresh without key frames")
    truth = all_frames(path)
    got = read_frames(path, every, height=60, width=100, interval=(2.4, 2.6))
    assert got.fallback is None
    for picture, frame in zip(got.frames, truth[60:65], strict=True):
        np.testing.assert_array_equal(picture, scaled(frame, 60, 100))
    assert reading.n_packets > 65


def test_a_stretch_that_begins_with_a_key_frame_needs_none_before(odd_video: OddVideo) -> None:
    for name in ("mkv", "ts", "vp9"):
        with VideoFile(odd_video(name)) as video, video.open_stream() as (container, stream):
            key = [packet.pts for packet in demux.read_packets(video, container, stream) if packet.is_keyframe][2]
            assert key is not None
            found = scan.scan_packets(video, container, stream, Stretch(first=key, end=key + 1))
            assert found.first[0] == key


def test_a_frame_whose_time_is_a_slip_does_not_end_the_reading(odd_video: OddVideo) -> None:
    with VideoFile(odd_video("vp9")) as video, video.open_stream() as (container, stream):
        packets = list(demux.read_packets(video, container, stream))
        packets[10].pts = packets[10].dts = 10**7
        gathered = scan._gather(iter(packets), stream, Stretch(first=200, end=800))
        assert gathered is not None
        table = gathered.scan(video, container, None).table
    assert sum(packet.pts < 800 for packet in table if packet.pts is not None) == 19
    with pytest.raises(Unplannable, match="later than the decoder's reordering"):
        presentation_order(table, reorder_depth=0)


@pytest.mark.parametrize("kind", ["mkv", "index in front", "fragmented mp4", "vp9", "flv", "ts", "mpeg4 avi"])
def test_a_cut_file_gives_the_intervals_before_the_cut(kind: str, odd_video: OddVideo, tmp_path: Path) -> None:
    whole = odd_video(kind)
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    for interval in ((0, 0.5), (0.44, 1.2)):
        got = read_frames(path, every, height=60, width=100, interval=interval)
        truth = read_frames(whole, every, height=60, width=100, interval=interval)
        assert got.pts == truth.pts
        np.testing.assert_array_equal(got.frames, truth.frames)
    for interval in ((1.5, 2.9), (2.6, 3.1), (2.9, 3.2)):
        error = outcome(path, every, interval=interval)
        assert isinstance(error, SampleError)
        # FLV and transport streams do not say how long they should be.
        declared = kind not in ("flv", "ts")
        assert error.error == "truncated" or (not declared and error.error in ("corrupt", "bad_interval")), error


@pytest.mark.parametrize("name", [name for name in ODD if name.startswith("hole of zeros")])
def test_frames_of_a_damaged_file_are_exact_or_refused(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    truth = all_frames(path.with_name(f"{path.stem}_source{path.suffix}"))
    damaged = set()
    for first in range(0, 80, 8):
        got = outcome(path, every, interval=(first / RATE, (first + 8) / RATE))
        if isinstance(got, SampleError):
            assert got.error == "corrupt"
            damaged.add(first)
            continue
        for picture, frame in zip(got.frames, truth[first : first + 8], strict=True):
            np.testing.assert_array_equal(picture, scaled(frame, 60, 100))
    assert 0 not in damaged
    assert 1 <= len(damaged) <= 8


def force_full_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> list[int]:
        raise Unplannable("on purpose")

    monkeypatch.setattr(exact, "presentation_order", refuse)


def packets_of(path: Path) -> list[av.Packet]:
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def write_without(gone: list[av.Packet], whole: Path, path: Path) -> None:
    """Write a copy of an MP4 file with zeros in place of some packets."""
    data = bytearray(whole.read_bytes())
    for packet in gone:
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)


@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("kind", ["vp9 mp4", "hevc closed groups", "h264 open groups", "h264 ultrafast", "mpeg4"])
def test_damage_elsewhere_costs_an_interval_nothing(
    kind: str, planned: bool, odd_video: OddVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = odd_video(kind)
    path = tmp_path / whole.name
    packets = packets_of(whole)
    key, next_key = [number for number, packet in enumerate(packets) if packet.is_keyframe][1:3]
    begin, end = (round(packets[number].pts * packets[number].time_base * RATE) for number in (key, next_key))
    write_without(packets[key + 4 : key + 8], whole, path)
    truth = all_frames(whole)
    if not planned:
        force_full_decode(monkeypatch)
    for first, last in ((3, begin - 8), (end, min(end + 12, 80))):
        got = read_frames(path, every, height=60, width=100, interval=(first / RATE, last / RATE))
        assert (got.fallback is None) == (planned and kind != "mpeg4")
        for picture, frame in zip(got.frames, truth[first:last], strict=True):
            np.testing.assert_array_equal(picture, scaled(frame, 60, 100))
    for first, last in ((begin, begin + 8), (begin + 8, end - 1), (begin + 12, end + 5)):
        error = outcome(path, every, interval=(first / RATE, last / RATE))
        assert isinstance(error, SampleError)
        assert error.error == "corrupt"


def test_frames_that_damage_brings_out_of_order_are_corrupt(
    odd_video: OddVideo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not untimed: converting such a file, as is said of those, would not mend it."""
    path = tmp_path / "damaged.mp4"
    whole = odd_video("h264")  # with a key frame at 37
    write_without(packets_of(whole)[34:38], whole, path)
    force_full_decode(monkeypatch)
    error = outcome(path, every, interval=(30 / RATE, 38 / RATE))
    assert isinstance(error, SampleError)
    assert (error.error, "go back" in error.message) == ("corrupt", True)


def test_a_hole_before_the_interval_is_not_met(odd_video: OddVideo, tmp_path: Path) -> None:
    """In mid file, a Matroska's clusters before the one that its index names are not read."""
    whole = odd_video("vp9")  # key frames at 0, 1.2 and 2.4 s
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = whole.read_bytes()
    path = tmp_path / "hole.webm"
    path.write_bytes(data[: places[35]] + bytes(places[55] - places[35]) + data[places[55] :])
    got = read_frames(path, every, height=60, width=100, interval=(2.5, 3.1))
    np.testing.assert_array_equal(
        got.frames, read_frames(whole, every, height=60, width=100, interval=(2.5, 3.1)).frames
    )
    assert got.fallback is None


@pytest.mark.parametrize("kind", ["vp9", "mkv"])
def test_a_cut_just_after_an_interval_does_not_reach_it(kind: str, odd_video: OddVideo, tmp_path: Path) -> None:
    whole = odd_video(kind)
    path = tmp_path / whole.name
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    with av.open(str(path)) as container:
        left = [packet.pts for packet in container.demux(video=0) if packet.size]
    n_sure = len(left) - 6  # the last ones may wait for others that are shown before them
    got = read_frames(path, every, height=60, width=100, interval=(0, n_sure / RATE))
    assert (got.n_source_frames, got.fallback) == (n_sure, None)
    error = outcome(path, every, interval=(0, (len(left) + 1) / RATE))
    assert isinstance(error, SampleError)
    assert error.error == "truncated"


def test_a_refused_packet_of_an_avi_file_takes_its_time_with_it() -> None:
    class Packet:
        def __init__(self, dts: int) -> None:
            self.dts = self.pts = dts

    damage = _Damage()
    packets: Any = iter([Packet(0), Packet(1), Packet(2), Packet(5)])
    turns = _Turns(packets, damage)
    for number, packet in enumerate(turns.packets()):
        if number == 1:
            damage.refuse(number, packet, av.error.InvalidDataError(1, "Invalid data found"))
    assert [turns.next() for _ in range(4)] == [0, 2, 5, None]
