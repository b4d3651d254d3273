import json
from pathlib import Path

import pytest

from scripts.fgclip.data.video_facts import decode_video, read_facts
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.sample_task import SampleTask
from tests.odd_videos import HEIGHT, ODD, RATE, WIDTH, ffmpeg


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    ODD["h264"].make(path)
    return path


def test_the_facts_of_a_video_are_written_and_remembered(clip: Path, tmp_path: Path) -> None:
    entry = {"source": "deep/clip.mp4", "files": ["videos/clip.json"]}
    made = read_facts(SampleTask("clip", entry, {}, {}, clip, tmp_path))
    facts = json.loads((tmp_path / "videos/clip.json").read_text())
    assert facts == made.facts == {
        "source": "deep/clip.mp4",
        "n_frames": 80,
        "fps": float(RATE),
        "width": WIDTH,
        "height": HEIGHT,
        "duration_s": 80 / RATE,
        "codec": "h264",
        "variable_fps": False,
        "size": clip.stat().st_size,
        "digest": digest_bytes(clip.read_bytes()),
    }  # fmt: skip
    assert list(made.files) == ["videos/clip.json"]


def test_frames_are_those_that_decode_after_a_cut(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    ffmpeg("-ss", "1.8", "-i", clip, "-c", "copy", "-avoid_negative_ts", "disabled", cut)
    assert decode_video(cut, source="cut.mp4").n_frames == 35


def test_width_and_height_are_those_of_the_turned_picture(clip: Path, tmp_path: Path) -> None:
    ffmpeg("-display_rotation", "90", "-i", clip, "-c", "copy", tmp_path / "turned.mp4")
    facts = decode_video(tmp_path / "turned.mp4", source="turned.mp4")
    assert (facts.width, facts.height) == (HEIGHT, WIDTH)


def test_an_uneven_rate_is_seen_and_a_container_s_coarse_clock_is_none(clip: Path, tmp_path: Path) -> None:
    ffmpeg("-i", clip, "-c", "copy", "-bsf:v", "setts=time_base=1/90000", tmp_path / "even.mkv")
    even = decode_video(tmp_path / "even.mkv", source="even.mkv")
    assert (even.variable_fps, round(even.fps, 2)) == (False, RATE)
    ODD["variable rate mp4"].make(tmp_path / "uneven.mp4")
    assert decode_video(tmp_path / "uneven.mp4", source="uneven.mp4").variable_fps


def test_a_damaged_video_is_a_failed_sample(clip: Path, tmp_path: Path) -> None:
    data = clip.read_bytes()
    middle = data.index(b"mdat") + 4 + (len(data) // 2)
    (tmp_path / "hole.mp4").write_bytes(data[:middle] + bytes(200) + data[middle + 200 :])
    (tmp_path / "none.mp4").write_bytes(b"no video")
    for name, error in {"hole.mp4": "corrupt", "none.mp4": "not_a_video", "absent.mp4": "not_found"}.items():
        with pytest.raises(SampleError) as caught:
            decode_video(tmp_path / name, source=name)
        assert caught.value.error == error
