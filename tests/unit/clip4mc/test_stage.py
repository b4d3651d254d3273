from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc.stage import choose_samples, clips_stage, frames_stage
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError

KEYS = [f"sample_{number:06d}_x" for number in range(1000)]


def stage(name: str = "train", other: dict[str, Any] | None = None, **options: Any) -> Any:
    places = {"pairs": "p.json", "clips_dir": "c"}
    datasets = {"train": places | options} | ({} if other is None else {"other": places | other})
    return frames_stage(load_config({"clip4mc": {"datasets": datasets}}, lambda _: "config.yaml"), name)


def video_stages(tmp_path: Path, **options: Any) -> tuple[Any, Any]:
    """The stages `frames` and `clips` of a dataset of whole videos."""
    (tmp_path / "m.json").write_text(
        '[{"vid": "a", "begin position": 1, "end position": 2, "transcript": "x", "size": [1]},'
        ' {"vid": "a", "begin position": 1, "end position": 2, "transcript": "y"}, {"vid": "b", "index": "?"}]'
    )
    (tmp_path / "i.csv").write_text("url,filename\nhttps://youtu.be/a,a.mp4\n")
    places = {"metadata": f"{tmp_path}/m.json", "info_csv": f"{tmp_path}/i.csv", "videos_dir": "v"}
    raw = {"clip4mc": {"datasets": {"raw": {"source": "videos", **places, **options}}}}
    config = load_config(raw, lambda _: "config.yaml")
    return frames_stage(config, "raw"), clips_stage(config, "raw")


def test_whole_videos_differ_from_clips_by_their_list_alone(tmp_path: Path) -> None:
    frames, _ = video_stages(tmp_path)
    assert (frames.source_dir, frames.source_option) == (Path("v"), "videos_dir")
    assert frames.settings == stage().settings
    assert [entry.source for entry in frames.read_list()] == ["a.mp4", "a.mp4", ""]
    assert "1 rows have the video and the interval of an earlier row" in frames.remarks()[0]


def test_clips_are_a_stage_of_their_own_beside_the_samples(tmp_path: Path) -> None:
    frames, clips = video_stages(tmp_path)
    assert (clips.name, clips.files, clips.label) == ("clips", ("clip.mp4",), "clip4mc raw clips")
    assert clips.dataset_dir == Path("results/clip4mc/raw/clips")
    assert clips.work_dir != frames.work_dir
    assert clips.remarks() == frames.remarks() == []  # not read yet
    assert [entry.entry for entry in clips.read_list()][:2] == [b'{"interval":[1.0,2.0],"source":"a.mp4"}'] * 2
    assert len(clips.remarks()) == 1


def test_what_a_sample_holds_changes_no_clip(tmp_path: Path) -> None:
    _, clips = video_stages(tmp_path)
    _, other = video_stages(tmp_path, num_frames=8, frame_width=128, channel_order="bgr", default_size=0.1)
    assert other.settings == clips.settings


def test_clips_of_an_output_dir_lie_in_it_and_the_link_names_it(tmp_path: Path) -> None:
    _, clips = video_stages(tmp_path, output_dir="/ssd/raw")
    assert clips.dataset_dir == Path("/ssd/raw/clips")
    assert (clips.link, clips.link_to) == (Path("results/clip4mc/raw"), Path("/ssd/raw"))


def test_clips_are_not_cut_into_clips() -> None:
    config = load_config({"clip4mc": {"datasets": {"a": {"pairs": "p", "clips_dir": "c"}}}}, lambda _: "config.yaml")
    with pytest.raises(ConfigError, match=r"datasets\.a: its source is clips; only"):
        clips_stage(config, "a")


def test_the_seeking_decoder_reads_no_intervals(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"datasets\.raw: its source is videos, and decoder: opencv reads whole clips"
    ):
        video_stages(tmp_path, decoder="opencv")


@pytest.mark.parametrize(
    "options",
    [
        {"num_frames": 8},
        {"frame_width": 128},
        {"channel_order": "bgr"},
        {"scaler": "cv2"},
        {"decoder": "opencv"},
        {"default_size": 0.25},
    ],
)
def test_what_changes_bytes_changes_the_settings(options: dict[str, Any]) -> None:
    assert stage(**options).settings != stage().settings


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 2},
        {"shard_size": 7},
        {"split_mode": "all_test"},
        {"seed": 1},
        {"max_samples": 5},
        {"verify": "full"},
    ],
)
def test_what_changes_no_bytes_leaves_the_settings(options: dict[str, Any]) -> None:
    assert stage(**options).settings == stage().settings


def test_a_tokenizer_counts_by_its_content_not_by_its_place(tmp_path: Path) -> None:
    for name, text in (("a", "{}"), ("b", "{}"), ("c", "{ }")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_text(text)
    settings = [stage(tokenizer=str(tmp_path / name)).settings for name in "abc"]
    assert settings[0] == settings[1] != settings[2]
    with pytest.raises(ConfigError, match="has neither vocab"):
        stage(tokenizer=str(tmp_path))


def test_a_dataset_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="no dataset 'tarin'; there are train"):
        stage(name="tarin")


@pytest.mark.parametrize("folder", ["/ssd/x", "/ssd", "/ssd/x/deeper", "results/../../ssd/x"])
def test_two_datasets_never_share_a_folder(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "place").mkdir()
    monkeypatch.chdir(tmp_path / "place")
    mine = folder.replace("/ssd", f"{tmp_path}/ssd") if folder.startswith("/") else folder
    with pytest.raises(ConfigError, match="train and other would both lie in"):
        stage(output_dir=mine, other={"output_dir": f"{tmp_path}/ssd/x"})


def test_a_circle_of_links_as_output_dir_is_left_for_the_planner_to_name(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert stage(output_dir=f"{tmp_path}/loop").dataset_dir == tmp_path / "loop"


def test_the_opencv_decoder_has_one_scaler() -> None:
    assert stage(decoder="opencv").settings == stage(decoder="opencv", scaler="cv2").settings


def test_an_output_dir_is_linked_from_the_results() -> None:
    assert stage().link is None
    elsewhere = stage(output_dir="/ssd/train")
    assert (elsewhere.dataset_dir, elsewhere.link) == (Path("/ssd/train"), Path("results/clip4mc/train"))


def test_the_forecast_counts_the_bytes_of_the_frames() -> None:
    assert 16 * 160 * 256 * 3 < stage().bytes_per_sample < 16 * 160 * 256 * 3 * 1.01


def test_max_samples_is_a_random_part_of_the_selection_that_grows_with_the_list() -> None:
    options = {"select": "first:500", "max_samples": 50, "seed": 42}
    some = choose_samples(options, KEYS)
    assert len(some) == 50
    assert max(some) < 500
    assert list(some) == sorted(some)
    fewer = choose_samples(options | {"max_samples": 20}, KEYS)
    assert set(fewer) < set(some)
    assert list(choose_samples({"select": "all", "max_samples": 0, "seed": 1}, KEYS)) == list(range(1000))
