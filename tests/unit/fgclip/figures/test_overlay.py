from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.fgclip.figures.overlay import MOST_FRAMES, Pace, pace, write_overlay
from tests.unit.fgclip.figures.made import GOOD, N_FRAMES, Made, shown

HEIGHT, WIDTH = 48, 96
BAND = 120


def write(path: Path, made: Made) -> list[NDArray[np.uint8]]:
    video = shown(made, GOOD)
    at = pace(video.video.n_frames, video.video.fps)
    write_overlay(path, video, np.full((N_FRAMES, HEIGHT, WIDTH, 3), 90, np.uint8), at, stepwise=False)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 10)
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]


def test_an_overlay_is_h264_of_all_frames_above_a_band(tmp_path: Path, made: Made) -> None:
    pictures = write(tmp_path / "a.mp4", made)
    assert len(pictures) == N_FRAMES
    assert {picture.shape for picture in pictures} == {(HEIGHT + BAND, WIDTH, 3)}
    hot = np.array([np.abs(picture[24:HEIGHT, 48:72].astype(int) - 90).mean() for picture in pictures])
    assert hot[17:27].min() > 3 * hot[:12].max()


def test_a_mark_moves_along_the_scores(tmp_path: Path, made: Made) -> None:
    below = [picture[HEIGHT + 40 : -40].astype(int) for picture in write(tmp_path / "a.mp4", made)]
    moved = np.abs(below[30] - below[2]).sum(axis=(0, 2))
    peaks = np.flatnonzero(moved > moved.max() / 2)
    assert abs(peaks.min() - (7 + 88 * 2 / N_FRAMES)) < 4
    assert abs(peaks.max() - (7 + 88 * 30 / N_FRAMES)) < 4


def test_boxes_and_the_edge_of_the_event_are_drawn_while_they_hold(tmp_path: Path, made: Made) -> None:
    pictures = [picture.astype(int) for picture in write(tmp_path / "a.mp4", made)]
    edge = [picture[:3, :, 0].mean() - picture[:3, :, 2].mean() for picture in pictures]
    assert [number for number, red in enumerate(edge) if red > 60] == list(range(16, 28))
    box = [picture[12:36, 10, 2].mean() - picture[12:36, 10, 0].mean() for picture in pictures]
    assert [number for number, blue in enumerate(box) if blue > 30] == list(range(16, 20))


def test_equal_input_gives_equal_bytes(tmp_path: Path, made: Made) -> None:
    write(tmp_path / "a.mp4", made)
    write(tmp_path / "b.mp4", made)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_short_video_keeps_its_speed_and_all_its_frames() -> None:
    at = pace(90, 29.97)
    assert len(at.numbers) == 90
    assert abs(float(at.a_second) - 29.97) < 1e-3
    assert round(at.speed, 3) == 1


@pytest.mark.parametrize("n_frames", [MOST_FRAMES + 1, 108_000, 1_000_003])
def test_a_long_video_is_shown_faster_from_its_begin_to_its_end(n_frames: int) -> None:
    at = pace(n_frames, 30.0)
    step = at.numbers[1] - at.numbers[0]
    assert MOST_FRAMES / 2 < len(at.numbers) <= MOST_FRAMES
    assert at.numbers[0] == 0
    assert n_frames - at.numbers[-1] <= step
    assert at.speed == step


def test_a_video_without_times_or_of_odd_speed_is_shown_all_the_same() -> None:
    assert pace(10, 0.0).a_second == 30
    assert isinstance(pace(10, 0.0), Pace)
    slow, fast = pace(10, 1.0), pace(10, 120.0)
    assert (slow.a_second, slow.speed) == (Fraction(5), 5.0)
    assert (fast.a_second, fast.speed) == (Fraction(30), 0.25)
