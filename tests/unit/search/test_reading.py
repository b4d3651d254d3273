"""What an encoder sees of pictures and videos."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.search.pictures import open_asset_picture
from scripts.search.reading import frame_numbers, read_picture, read_video
from scripts.shared.errors import SampleError
from scripts.shared.video.writing import write_h264
from tests.snakemake_run import ROOT

DEMO = ROOT / "tests" / "data" / "demo" / "search"
TURNED = {6: Image.Transpose.ROTATE_270, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_90}


def picture() -> Image.Image:
    corners = np.zeros((2, 3, 3), np.uint8)
    corners[0, 0], corners[1, 2] = (255, 0, 0), (0, 0, 255)
    return Image.fromarray(corners).resize((120, 80), Image.Resampling.NEAREST)


@pytest.mark.parametrize("orientation", TURNED)
def test_the_turn_that_a_camera_notes_is_applied(orientation: int) -> None:
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    picture().save(data, "PNG", exif=exif)
    found = open_asset_picture(data.getvalue())
    assert np.array_equal(np.asarray(found), np.asarray(picture().transpose(TURNED[orientation])))


def test_a_heic_is_read_and_its_facts_are_those_of_what_is_shown() -> None:
    pixels, facts = read_picture(DEMO / "pictures" / "coffee.heic", size=32, min_size=64)
    assert (pixels.shape, pixels.dtype) == ((3, 32, 32), np.uint8)
    assert (facts.width, facts.height, facts.duration) == (480, 320, None)
    red, green, blue = pixels.mean(axis=(1, 2))
    assert red > green > blue  # a red saucer on a brown table


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("none.jpg", None, "not_found"),
        ("empty.jpg", b"", "empty_file"),
        ("text.heic", b"no picture at all", "no_picture"),
        ("cut.heic", (DEMO / "pictures" / "coffee.heic").read_bytes()[:9000], "damaged"),
        ("cut.jpg", (DEMO / "pictures" / "flower.jpg").read_bytes()[:9000], "truncated"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_name(
    tmp_path: Path, name: str, content: bytes | None, error: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SampleError, match=name) as refused:
        read_picture(path, size=32, min_size=1)
    assert refused.value.error == error


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    heic = (DEMO / "pictures" / "coffee.heic").read_bytes()
    size, large = (480).to_bytes(4) + (320).to_bytes(4), (60000).to_bytes(4) + (60000).to_bytes(4)
    assert size in heic
    path = tmp_path / "bomb.heic"
    path.write_bytes(heic.replace(size, large))
    with pytest.raises(SampleError) as refused:
        read_picture(path, size=32, min_size=1)
    assert refused.value.error == "too_large"


def test_what_is_smaller_than_min_size_is_refused_with_the_mend(tmp_path: Path) -> None:
    picture().resize((200, 63)).save(tmp_path / "bar.png")
    with pytest.raises(SampleError, match=r"200 x 63 pixels, and min_size is 64.*lower min_size") as refused:
        read_picture(tmp_path / "bar.png", size=32, min_size=64)
    assert refused.value.error == "too_small"
    read_picture(tmp_path / "bar.png", size=32, min_size=63)


def test_frames_of_a_video_are_those_shown_at_each_interval(tmp_path: Path) -> None:
    grey = [np.full((64, 80, 3), 20 * number, np.uint8) for number in range(11)]
    write_h264(tmp_path / "steps.mp4", grey, fps=2, options={"crf": "1"})
    facts, parts = read_video(tmp_path / "steps.mp4", size=8, min_size=64, interval=1.5)
    [frames] = list(parts)
    assert (facts.width, facts.height, facts.duration) == (80, 64, 5.5)
    assert frames.times.tolist() == [0, 1.5, 3, 4.5]
    assert frames.pixels.shape == (4, 3, 8, 8)
    np.testing.assert_allclose(frames.pixels.mean(axis=(1, 2, 3)), [0, 60, 120, 180], atol=4)


def test_long_videos_are_read_in_parts_that_join_without_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = DEMO / "videos" / "scenes.mp4"
    facts, whole = read_video(path, size=16, min_size=64, interval=0.5)
    [expected] = list(whole)
    monkeypatch.setattr("scripts.search.reading.FRAMES_AT_A_GO", 5)
    _, parts = read_video(path, size=16, min_size=64, interval=0.5)
    found = list(parts)
    assert [len(part.times) for part in found] == [5] * 6 + [2]
    assert facts.duration == 16
    assert np.array_equal(np.concatenate([part.pixels for part in found]), expected.pixels)
    assert np.concatenate([part.times for part in found]).tolist() == np.arange(0, 16, 0.5).tolist()


@pytest.mark.parametrize(
    ("n_frames", "duration_s", "interval", "numbers"),
    [
        (100, 10.0, 2.0, [0, 20, 40, 60, 80]),
        (1, 0.04, 2.0, [0]),
        (1, 0.0, 2.0, [0]),
        (3, 30.0, 2.0, [0, 1, 2]),  # fewer frames than intervals: each once
        (300, 10.01, 4.0, [0, 120, 240]),
    ],
)
def test_frame_numbers_are_the_nearest_to_each_interval(
    n_frames: int, duration_s: float, interval: float, numbers: list[int]
) -> None:
    assert frame_numbers(n_frames, duration_s, interval).tolist() == numbers


def test_a_video_that_is_none_or_too_small_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.mp4").write_bytes(b"no video")
    with pytest.raises(SampleError, match=r"none\.mp4") as refused:
        read_video(tmp_path / "none.mp4", size=8, min_size=1, interval=2)
    assert refused.value.error == "not_a_video"
    with pytest.raises(SampleError, match="320 x 240 pixels, and min_size is 300"):
        read_video(DEMO / "videos" / "scenes.mp4", size=8, min_size=300, interval=2)
