"""Seconds and clocks: which times lie in an interval, and which files do not say."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.shared.errors import SampleError
from scripts.shared.video.frames import read_frames
from scripts.shared.video.interval import LOOK_AHEAD, WHOLE, Disorder, Sieve, Stretch, stretch_of
from tests.odd_videos import X264, encode
from tests.unit.shared.video.conftest import OddVideo, every, outcome

CLOCKS = [Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 15360), Fraction(1, 90000), Fraction(1, 1000)]


class Stream:
    def __init__(self, time_base: Fraction, start_time: int | None = 0) -> None:
        self.time_base, self.start_time = time_base, start_time


class Container:
    """Just opened: what FFmpeg says of it."""

    class Format:
        name, flags = "mov,mp4", 0

    format = Format

    def __init__(self, streams: list[Stream]) -> None:
        self.streams = streams
        starts = [s.start_time * s.time_base for s in streams if s.start_time is not None]
        self.start_time = round(min(starts) * 10**6) if starts else None


def stretch(begin: float, end: float, *streams: Stream) -> Stretch:
    container: Any = Container(list(streams))
    stream: Any = streams[0]
    return stretch_of("v.mp4", container, stream, (begin, end))


@given(tick=st.sampled_from(CLOCKS), number=st.integers(0, 10**6), start=st.integers(-(10**6), 10**6))
@settings(derandomize=True, deadline=None)
def test_a_time_computed_as_a_float_means_the_frame_of_that_time(tick: Fraction, number: int, start: int) -> None:
    begin, end = float(number * tick), float((number + 3) * tick)
    part = stretch(begin, end, Stream(tick, start))
    assert [part.holds(start + number + step) for step in range(-1, 5)] == [False, True, True, True, False, False]


@given(
    begin=st.integers(0, 7200 * 10**6),
    length=st.integers(1, 10**7),
    tick=st.sampled_from(CLOCKS),
    near=st.integers(-3, 3),
)
@settings(derandomize=True, deadline=None)
def test_microseconds_of_a_list_are_compared_exactly(begin: int, length: int, tick: Fraction, near: int) -> None:
    part = stretch(begin / 10**6, (begin + length) / 10**6, Stream(tick))
    for bound in (begin, begin + length):
        time = round(bound / 10**6 / tick) + near
        assert part.holds(time) == (begin <= time * tick * 10**6 < begin + length)


@pytest.mark.parametrize("start", [0, 129003, 133201, -7])
def test_the_first_frame_lies_at_second_zero_though_the_start_time_is_rounded(start: int) -> None:
    """FFmpeg tells it in microseconds, which 1/90000 s are not."""
    part = stretch(0, 1, Stream(Fraction(1, 90000), start))
    assert part.holds(start)
    assert not part.holds(start - 1)
    assert not part.holds(start + 90000)


def test_the_start_of_another_stream_is_exact_as_well() -> None:
    sound = Stream(Fraction(1, 90000), 129003)
    part = stretch(1, 2, Stream(Fraction(1, 90000), 180000), sound)
    assert [part.holds(129003 + 90000 + step) for step in (-1, 0, 89999, 90000)] == [False, True, True, False]


@pytest.mark.parametrize(
    "interval",
    [(3, 3), (3, 2), (-1, 2), (float("nan"), 1), (0, float("nan")), (0, float("inf")), (0, 10**400), (-0.001, 1)],
)
def test_an_interval_that_is_none_is_refused(interval: tuple[float, float], odd_video: OddVideo) -> None:
    error = outcome(odd_video("h264"), every, interval=interval)
    assert isinstance(error, SampleError)
    assert error.error == "bad_interval"
    assert str(interval[0]) in error.message


@pytest.mark.parametrize("name", ["h264", "mkv", "ts", "flv", "mpeg4", "mpeg4 avi", "vp9"])
@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((1, 4.21), ("ends at 4.21 s", "3.2 s long")),
        ((1, 95), ("ends at 95 s", "3.2 s long")),
        ((3.5, 4), ("begins at 3.5 s", "3.2 s long")),
        ((200, 300.5), ("begins at 200 s", "3.2 s long")),
        ((3.17, 3.18), ("3.17 to 3.18 s", "no frame")),
        ((1.01, 1.03), ("1.01 to 1.03 s", "no frame")),
    ],
)
def test_an_interval_outside_the_video_names_both(
    name: str, interval: tuple[float, float], words: tuple[str, ...], odd_video: OddVideo
) -> None:
    path = odd_video(name)
    error = outcome(path, every, interval=interval)
    assert isinstance(error, SampleError)
    assert error.error == "bad_interval"
    assert all(word in error.message for word in (path.name, *words, "metadata")), error.message


@pytest.mark.parametrize("name", ["h264", "mkv", "ts", "mpeg4 avi"])
def test_a_length_that_was_rounded_up_is_tolerated(name: str, odd_video: OddVideo) -> None:
    got = read_frames(odd_video(name), every, height=60, width=100, interval=(2, 4.2))
    assert got.n_source_frames == 30


@pytest.mark.parametrize("suffix", [".h264", ".mjpeg"])
def test_a_bare_stream_has_no_times(suffix: str, tmp_path: Path) -> None:
    """Even where FFmpeg numbers its frames as if there were 25 a second."""
    path = tmp_path / f"bare{suffix}"
    encode(path, *(X264 if suffix == ".h264" else ("-pix_fmt", "yuvj420p")), n_frames=30)
    error = outcome(path, every, interval=(0, 1))
    assert isinstance(error, SampleError)
    assert error.error == "no_times"
    assert path.name in error.message


def test_frames_without_a_time_before_the_interval_do_no_harm(odd_video: OddVideo) -> None:
    path = odd_video("negative start mkv")  # whose start time is 0.14 s, with frames before it
    got = read_frames(path, every, height=60, width=100, interval=(0, 0.5))
    assert (got.pts, got.fallback) == (tuple(range(140, 640, 40)), "packet 0 has no presentation time")
    later = read_frames(path, every, height=60, width=100, interval=(0.8, 1.1))
    assert (later.pts, later.fallback) == (tuple(range(940, 1240, 40)), None)


def test_times_that_start_again_leave_no_interval_across_them(odd_video: OddVideo) -> None:
    path = odd_video("ts joined, times start again")
    error = outcome(path, every, interval=(1.0, 1.62))
    assert isinstance(error, SampleError)
    assert (error.error, "go back" in error.message) == ("no_times", True)


def test_the_seeking_decoder_is_not_for_intervals(odd_video: OddVideo) -> None:
    with pytest.raises(ValueError, match="another decoder"):
        read_frames(odd_video("h264"), every, height=60, width=100, decoder="opencv", interval=(0, 1))


def sifted(times: list[int | None], part: Stretch = Stretch(first=10, end=20)) -> list[int | None]:  # noqa: B008
    sieve, kept = Sieve(part), []
    for time in times:
        if sieve.keeps(time):
            kept.append(time)
        if sieve.done:
            return kept
    sieve.end()
    return kept


def test_a_sieve_keeps_what_lies_in_the_stretch() -> None:
    assert sifted([8, 9, 10, 12, 19, 20, 21]) == [10, 12, 19]
    assert sifted([8, 5, 9, 10, 12, 11, 19]) == [10, 12, 11, 19]  # no doubt where it begins and ends
    assert sifted([None, 9, 10, 20, None, 22]) == [10]
    assert sifted([None, 5, None], WHOLE) == [None, 5, None]


def test_a_sieve_ends_when_enough_frames_are_shown_after_the_stretch() -> None:
    after = list(range(20, 20 + LOOK_AHEAD + 1))
    assert sifted([10, *after, 15]) == [10]
    with pytest.raises(Disorder, match="go back"):
        sifted([10, *after[1:], 15])


@pytest.mark.parametrize(
    "times",
    [
        [8, 12, 9, 13],
        [12, 25, 13],
        [8, 25, 9],
        [None, 12],
        [8, None, 12],
        [12, None, 13],
        [12, None, 20],
        [12, None],
        [8, None, 20],
        [None, None],
    ],
)
def test_a_stretch_without_a_clear_begin_or_end_is_said_so(times: list[int | None]) -> None:
    with pytest.raises(Disorder):
        sifted(times)
