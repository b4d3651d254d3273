"""The seeking baseline does what the field's scripts do, except that it never makes a black frame up."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.shared.errors import SampleError
from scripts.shared.video.frames import read_frames
from tests.odd_videos import burnt_number
from tests.unit.shared.video.conftest import OddVideo, outcome, uniform


def field_script(path: Path) -> tuple[list[int], NDArray[np.uint8]]:
    """Sixteen seeks by number, black where a read fails; (which are black, frames)."""
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frames, black = [], []
    for place, number in enumerate(np.linspace(0, count - 1, 16, dtype=int)):
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(number))
        found, frame = capture.read()
        if not found:
            black.append(place)
            frame = np.zeros((60, 100, 3), dtype=np.uint8)
        frames.append(cv2.cvtColor(cv2.resize(frame, (100, 60)), cv2.COLOR_BGR2RGB))
    return black, np.array(frames, dtype=np.uint8)


def spread(n: int) -> NDArray[np.int64]:
    return np.linspace(0, n - 1, 16, dtype=np.int64)


@pytest.mark.parametrize(
    "name",
    [
        "h264",
        "h264 open groups",
        "mkv",
        "ts",
        "flv",
        "avi",
        "av1",
        "vp9",
        "cut with an edit list",
        "h264 one frame",
        "variable rate mkv",
    ],
)
def test_the_baseline_gives_what_the_script_gives_or_fails_where_that_is_black(name: str, odd_video: OddVideo) -> None:
    black, frames = field_script(odd_video(name))
    got = outcome(odd_video(name), spread, decoder="opencv")
    if isinstance(got, SampleError):
        assert got.error == "seek_failed"
        assert black
    else:
        assert not black
        np.testing.assert_array_equal(got.frames, frames)
        assert got.decoder == "opencv"


@pytest.mark.parametrize("name", ["negative start mkv", "cut ts", "ts joined, times start again"])
def test_the_baseline_is_silently_wrong_where_the_container_counts_wrong(name: str, odd_video: OddVideo) -> None:
    """The reason why it is only a baseline."""
    path = odd_video(name)
    seeking = read_frames(path, spread, height=60, width=100, decoder="opencv")
    exact = read_frames(path, spread, height=60, width=100, scaler="cv2")
    asked = [burnt_number(picture) for picture in exact.frames]
    assert [burnt_number(picture) for picture in seeking.frames] != asked


@pytest.mark.parametrize("name", ["h264", "h264 one long group", "hevc closed groups"])
def test_on_a_plain_file_both_decoders_agree_to_the_bit(name: str, odd_video: OddVideo) -> None:
    exact = read_frames(odd_video(name), uniform, height=60, width=100, scaler="cv2")
    seeking = read_frames(odd_video(name), uniform, height=60, width=100, decoder="opencv")
    np.testing.assert_array_equal(exact.frames, seeking.frames)
    assert exact.pts == seeking.pts
    assert exact.duration_s == pytest.approx(seeking.duration_s, rel=0.01)
