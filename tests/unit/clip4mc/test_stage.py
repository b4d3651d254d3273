from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc.stage import choose_samples, frames_stage
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError

KEYS = [f"sample_{number:06d}_x" for number in range(1000)]


def stage(name: str = "train", other: dict[str, Any] | None = None, **options: Any) -> Any:
    places = {"pairs": "p.json", "clips_dir": "c"}
    datasets = {"train": places | options} | ({} if other is None else {"other": places | other})
    return frames_stage(load_config({"clip4mc": {"datasets": datasets}}, lambda _: "config.yaml"), name)


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
