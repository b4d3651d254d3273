import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.clip4mc.sample import make_sample, sample_contents
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import digest_bytes
from scripts.shared.safe_pickle import loads
from scripts.shared.sample_task import SampleTask

CLIPS = Path(__file__).parents[2] / "data" / "demo" / "clip4mc" / "clips"
SETTINGS = {
    "num_frames": 16,
    "frame_height": 160,
    "frame_width": 256,
    "channel_order": "rgb",
    "decoder": "cpu",
    "scaler": "swscale",
    "default_size": 0.5,
}


def task(folder: Path, clip: str = "minetest_walk.mp4", **settings: Any) -> SampleTask:
    entry = {"source": clip, "caption": "walking across the grass", "size": [0.25]}
    source = CLIPS / clip
    return SampleTask("sample_000000_x", entry, SETTINGS | settings, {"tokenizer": "embedded"}, source, folder)


def test_a_sample_has_frames_tokens_and_sizes_in_the_formats_of_the_loader(tmp_path: Path) -> None:
    contents, facts = sample_contents(task(tmp_path))
    frames = loads(contents["video_input.pkl"])
    tokens = loads(contents["text_input.pkl"])
    assert (frames.shape, frames.dtype) == ((16, 160, 256, 3), np.uint8)
    assert list(tokens) == ["tokens"]
    assert (tokens["tokens"].shape, tokens["tokens"].dtype) == ((77,), np.int64)
    assert tokens["tokens"][:7].tolist() == [49406, 3941, 2500, 518, 5922, 49407, 0]
    assert json.loads(contents["size.json"]) == [0.25] * 16
    assert len(facts["pts"]) == 16
    assert facts["n_frames"] == 120


def test_bgr_is_rgb_with_its_channels_reversed(tmp_path: Path) -> None:
    rgb = loads(sample_contents(task(tmp_path))[0]["video_input.pkl"])
    bgr = loads(sample_contents(task(tmp_path, channel_order="bgr"))[0]["video_input.pkl"])
    assert (bgr[..., ::-1] == rgb).all()
    assert not (bgr == rgb).all()


def test_the_grass_of_the_demo_is_green_in_rgb(tmp_path: Path) -> None:
    frames = loads(sample_contents(task(tmp_path))[0]["video_input.pkl"])
    red, green, blue = frames[0, 120:].reshape(-1, 3).mean(0)
    assert green > red
    assert green > blue


def test_the_public_loader_sees_rgb_when_the_pickles_are_bgr(tmp_path: Path) -> None:
    # The public CLIP4MC loader takes every (N // 16)-th frame and reverses the channel axis.
    stored = loads(sample_contents(task(tmp_path, channel_order="bgr"))[0]["video_input.pkl"])
    video = stored.transpose(0, 3, 1, 2)
    seen = video[:: len(video) // 16, ::-1]
    rgb = loads(sample_contents(task(tmp_path))[0]["video_input.pkl"])
    assert (seen.transpose(0, 2, 3, 1) == rgb).all()


@pytest.mark.parametrize(("setting", "value"), [("scaler", "cv2"), ("num_frames", 8), ("frame_height", 80)])
def test_a_setting_that_changes_bytes_changes_bytes(tmp_path: Path, setting: str, value: Any) -> None:
    plain = sample_contents(task(tmp_path))[0]["video_input.pkl"]
    assert sample_contents(task(tmp_path, **{setting: value}))[0]["video_input.pkl"] != plain


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    assert sample_contents(task(tmp_path))[0] == sample_contents(task(tmp_path))[0]


def test_files_are_written_whole_with_their_sizes_and_digests(tmp_path: Path) -> None:
    made = make_sample(task(tmp_path / "unfinished"))
    for name, (size, digest) in made.files.items():
        data = (tmp_path / "unfinished" / name).read_bytes()
        assert (len(data), digest_bytes(data)) == (size, digest)


def test_a_missing_clip_fails_the_sample_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="not_found"):
        make_sample(task(tmp_path / "unfinished", clip="none.mp4"))
    assert not (tmp_path / "unfinished").exists()
