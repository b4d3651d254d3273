"""The two scalers: the same pixels as the field's tools, whichever way up the video is stored."""

import subprocess
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.shared.video.frames import read_frames
from tests.odd_videos import ODD, X264, encode, ffmpeg
from tests.unit.shared.video.conftest import OddVideo, every

TURNS = {
    "as it is": (),
    "90": ("-display_rotation", "90"),
    "180": ("-display_rotation", "180"),
    "270": ("-display_rotation", "270"),
    "mirrored": ("-display_hflip",),
    "upside down": ("-display_vflip",),
    "90 mirrored": ("-display_rotation", "90", "-display_hflip"),
    "270 mirrored": ("-display_rotation", "270", "-display_hflip"),
}
# OpenCV shows something else there: stale memory (interlaced), the first size (changes), nothing (AV1).
NOT_IN_OPENCV = ("h264 interlaced", "size changes", "av1", "ts joined")
COMPARED = [
    name for name, odd in ODD.items() if odd.path in ("planned", "sequential") and not name.startswith(NOT_IN_OPENCV)
]


def opencv_in_order(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """All frames by OpenCV without seeking, (n, height, width, 3) RGB."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            return np.array(frames, dtype=np.uint8)
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        frames.append(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))


def ffmpeg_in_order(path: Path, height: int, width: int) -> NDArray[np.uint8]:
    """All frames by the ffmpeg program, which turns them itself."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-vf"]
    command += [f"scale={width}:{height}:flags=bilinear", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(done.stdout, dtype=np.uint8).reshape(-1, height, width, 3)


@pytest.mark.parametrize("name", COMPARED)
def test_the_cv2_scaler_gives_the_very_pixels_of_opencv(name: str, odd_video: OddVideo) -> None:
    path = odd_video(name)
    got = read_frames(path, every, height=60, width=100, scaler="cv2")
    np.testing.assert_array_equal(got.frames, opencv_in_order(path, 60, 100))


@pytest.fixture(scope="module")
def grey_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without colour, whose halved resolution differs between scaling before and after turning."""
    path = tmp_path_factory.mktemp("turned") / "grey.mp4"
    encode(path, *X264, "-vf", "hue=s=0", "-g", "30", n_frames=20)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_video_is_shown_as_players_show_it(turn: str, suffix: str, grey_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / f"turned{suffix}"
    ffmpeg(*TURNS[turn], "-i", grey_clip, "-c", "copy", path)
    expected = ffmpeg_in_order(path, 64, 64).astype(int)
    for scaler, tolerance in (("swscale", 2.0), ("cv2", 12.0)):
        got = read_frames(path, every, height=64, width=64, scaler=scaler)
        assert got.fallback is None
        assert np.abs(got.frames - expected).mean() < tolerance
        assert np.abs(got.frames[:, ::-1] - expected).mean() > 30  # any other way up is far off
        assert np.abs(got.frames[:, :, ::-1] - expected).mean() > 30


@pytest.mark.parametrize("turn", ["as it is", "90", "180", "270"])
def test_a_turned_video_has_the_very_pixels_of_opencv(turn: str, grey_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    ffmpeg(*TURNS[turn], "-i", grey_clip, "-c", "copy", path)
    got = read_frames(path, every, height=64, width=48, scaler="cv2")
    np.testing.assert_array_equal(got.frames, opencv_in_order(path, 64, 48))


def test_an_angle_between_the_quarters_is_left_alone_as_in_opencv(grey_clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "tilted.mp4"
    ffmpeg("-display_rotation", "45", "-i", grey_clip, "-c", "copy", path)
    got = read_frames(path, every, height=64, width=48, scaler="cv2")
    np.testing.assert_array_equal(got.frames, opencv_in_order(path, 64, 48))


@pytest.mark.parametrize("scaler", ["swscale", "cv2"])
@pytest.mark.parametrize("size", [(96, 160), (1, 1), (33, 17), (400, 700)])
def test_any_size_can_be_asked_for(scaler: str, size: tuple[int, int], odd_video: OddVideo) -> None:
    got = read_frames(odd_video("h264 five frames"), every, height=size[0], width=size[1], scaler=scaler)
    assert got.frames.shape == (5, *size, 3)
