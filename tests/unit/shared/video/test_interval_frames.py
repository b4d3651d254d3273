"""An interval of a video gives exactly the frames that a full decode shows in it."""

import math
import subprocess
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from scripts.shared.video import scan
from scripts.shared.video.frames import read_frames
from tests.odd_videos import HEIGHT, ODD, RATE, WIDTH, X264, burnt_number, encode, ffmpeg
from tests.unit.shared.video.conftest import OddVideo, all_frames, every, scaled

DEMO = Path(__file__).parents[3] / "data" / "demo" / "clip4mc" / "clips"
# Without times of their own, or with times that start again: each has a test of its own.
UNTIMED = ("bare h264", "negative start mkv", "ts joined, times start again")
# Nothing but the colours differs from others.
ALIKE = ("h264 10 bit", "h264 full colour", "h264 bt709 full range", "hevc 10 bit", "vp9 10 bit", "prores", "ffv1")
TIMED = [
    name
    for name, odd in ODD.items()
    if odd.path in ("planned", "sequential") and odd.suffix != ".avi" and name not in UNTIMED + ALIKE
]


@cache
def truth_of(path: Path) -> tuple[list[VideoFrame], list[Fraction], Fraction]:
    """(all frames in order, seconds from the file's start at which each is shown, seconds a tick)."""
    with av.open(str(path)) as container:
        base = Fraction(container.streams.best("video").time_base)
        # The stream that starts first is the start of the file.
        start = min(s.start_time * s.time_base for s in container.streams if s.start_time is not None)
    frames = all_frames(path)
    return frames, [frame.pts * base - start for frame in frames], base


def telling_intervals(
    frames: list[VideoFrame], times: list[Fraction], tick: Fraction
) -> list[tuple[Fraction, Fraction]]:
    """Intervals whose bounds lie on, just before and just after frames of all kinds."""
    end = times[-1] + max(Fraction(1, RATE), tick)
    chosen = [(Fraction(0), end), (times[-1], end), (times[0], times[0] + tick)]
    keys = [number for number, frame in enumerate(frames) if frame.key_frame and number > 0]
    for key in {*keys[:1], *keys[-1:], len(frames) // 2}:
        # The frame before a key frame of an open group leads it: decoded after it, shown before it.
        begins = (times[key], times[key] - tick, times[key] + tick, times[key - 1])
        chosen += [(begin, begin + Fraction(7, RATE)) for begin in begins]
        chosen += [(times[key // 2], times[key]), (times[key // 2], times[key] + tick), (times[key], end)]
    if len(times) > 9:
        chosen += [(times[5], times[6]), (times[5] + tick, times[9] + tick)]
    return [(begin, min(until, end)) for begin, until in chosen if 0 <= begin < min(until, end)]


def numbers_within(begin: float, end: float) -> range:
    """Frames of a video that begins at second 0 and has a constant rate."""
    return range(math.ceil(round(begin * RATE, 6)), math.ceil(round(end * RATE, 6)))


def few(n: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, 4, dtype=np.int64))


@pytest.mark.parametrize("name", TIMED)
def test_the_frames_are_those_of_a_full_decode_shown_in_the_interval(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    frames, times, tick = truth_of(path)
    n_planned = n_read = 0
    sequential = ODD[name].path == "sequential"
    for begin, end in telling_intervals(frames, times, tick)[:: 3 if sequential else 1]:
        shown = [frame for frame, time in zip(frames, times, strict=True) if begin <= time < end]
        if not shown:
            continue
        got = read_frames(path, few, height=48, width=80, interval=(float(begin), float(end)))
        where = f"{float(begin)} to {float(end)}"
        assert got.n_source_frames == len(shown), where
        assert got.numbers == tuple(few(len(shown)))
        assert got.pts == tuple(shown[number].pts for number in got.numbers)
        for picture, number in zip(got.frames, got.numbers, strict=True):
            np.testing.assert_array_equal(picture, scaled(shown[number], 48, 80), err_msg=where)
        n_read += 1
        n_planned += got.fallback is None
    assert n_read
    assert sequential or n_planned == n_read
    if name in ("ts from mid stream", "size changes in mid stream", "size changes in mid ts"):
        assert n_planned  # of the whole video no plan can be made, of a part it can


@pytest.mark.parametrize(
    "name", ["h264 open groups", "h264 sixteen B-frames", "hevc temporal layers", "hevc ts", "av1"]
)
def test_an_interval_may_end_at_any_frame(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    frames, times, _ = truth_of(path)
    for last in range(20, 60):
        got = read_frames(path, lambda n: np.array([n - 1]), height=24, width=40, interval=(0.4, float(times[last])))
        assert got.n_source_frames == last - 10
        np.testing.assert_array_equal(got.frames[0], scaled(frames[last - 1], 24, 40))


@pytest.mark.parametrize("name", ["h264 open groups", "ts", "mkv", "vp9", "cut with an edit list"])
def test_packets_of_an_interval_read_a_second_time_give_the_same(
    name: str, odd_video: OddVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = (0.9, 1.3)
    held = read_frames(odd_video(name), every, height=60, width=100, interval=span)
    monkeypatch.setattr(scan, "HELD_BYTES", 1000)
    again = read_frames(odd_video(name), every, height=60, width=100, interval=span)
    assert again.fallback is None
    np.testing.assert_array_equal(again.frames, held.frames)


@pytest.mark.parametrize("name", ["h264", "mkv", "late start mp4", "cut with an edit list"])
def test_an_interval_begins_where_the_ffmpeg_program_does(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    for begin in (0.31, 1.13):
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-ss", str(begin), "-i", str(path), "-frames:v", "1"]
        done = subprocess.run(
            [*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
        ).stdout
        first = burnt_number(np.frombuffer(done, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3))
        got = read_frames(path, lambda _: np.array([0]), height=HEIGHT, width=WIDTH, interval=(begin, begin + 0.2))
        assert burnt_number(got.frames[0]) == first, begin


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_time_counts_from_the_stream_that_starts_first(suffix: str, odd_video: OddVideo, tmp_path: Path) -> None:
    """The sound begins 0.7 s before the picture."""
    path = tmp_path / f"late_picture{suffix}"
    tone = ("-f", "lavfi", "-i", "sine=440:duration=4")
    ffmpeg(*tone, "-itsoffset", "0.7", "-i", odd_video("h264"), "-c:v", "copy", "-c:a", "aac", path)
    delay = truth_of(path)[1][0]
    assert float(delay) == pytest.approx(0.7, abs=0.03)
    got = read_frames(path, every, height=60, width=100, interval=(1.0, 1.4))
    assert burnt_number(got.frames[0]) == math.ceil((1 - delay) * RATE)
    assert got.n_source_frames == 10


@pytest.mark.parametrize("name", ["avi", "mpeg4 avi", "motion jpeg", "raw avi"])
def test_frames_of_avi_files_are_timed_by_their_turn(name: str, odd_video: OddVideo) -> None:
    """What FFmpeg guesses as presentation times is late by the reordering, or out of order."""
    for begin, end in ((0, 0.2), (0.3, 0.9), (1.0, 1.44), (2.001, 3.2), (3.16, 3.2)):
        got = read_frames(odd_video(name), every, height=60, width=100, interval=(begin, end))
        shown = numbers_within(begin, end)
        assert [burnt_number(picture) for picture in got.frames] == list(shown)
        assert [Fraction(got.time_base) * pts for pts in got.pts] == [Fraction(number, RATE) for number in shown]


def test_an_interval_lies_in_the_first_part_of_a_joined_stream_that_holds_it(
    odd_video: OddVideo, tmp_path: Path
) -> None:
    """Both parts count from 0, and a search for a time may end in either."""
    first_part = odd_video("ts")
    encode(tmp_path / "second.ts", *X264, "-vf", "negate")
    path = tmp_path / "joined.ts"
    path.write_bytes(first_part.read_bytes() + (tmp_path / "second.ts").read_bytes())
    for begin, end in ((0.0, 0.5), (0.2, 0.84), (1.6, 1.72), (2.2, 2.5), (2.3, 2.8)):
        got = read_frames(path, every, height=48, width=80, interval=(begin, end))
        shown = numbers_within(begin, end)
        for picture, number in zip(got.frames, shown, strict=True):
            np.testing.assert_array_equal(picture, scaled(truth_of(first_part)[0][number], 48, 80))


@pytest.mark.parametrize("name", ["minetest_bush.webm", "bunny_burrow.mp4"])
def test_an_interval_of_real_footage_gives_the_frames_of_a_full_decode(name: str) -> None:
    path = DEMO / name
    frames, times, _ = truth_of(path)
    for begin, end in ((0.0, 1.1), (0.7, 1.5), (1.0, 1.04)):
        shown = [
            frame
            for frame, time in zip(frames, times, strict=True)
            if Fraction(str(begin)) <= time < Fraction(str(end))
        ]
        got = read_frames(path, few, height=60, width=100, interval=(begin, end))
        assert (got.n_source_frames, got.fallback) == (len(shown), None)
        for picture, number in zip(got.frames, got.numbers, strict=True):
            np.testing.assert_array_equal(picture, scaled(shown[number], 60, 100))


def test_a_picture_says_how_long_its_interval_is(odd_video: OddVideo) -> None:
    for name in ("h264", "ts", "mpeg4", "mpeg4 avi"):
        got = read_frames(odd_video(name), every, height=60, width=100, interval=(0.5, 1.3))
        assert got.duration_s == pytest.approx(0.8)
