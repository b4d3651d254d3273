"""The proof's data set, as the rest of the system reads it."""

from pathlib import Path

import pytest
import yaml

from scripts.fgclip.data.annotation import read_annotation
from scripts.fgclip.data.shapes import read_items
from scripts.fgclip.proof.dataset import make_dataset
from scripts.fgclip.scoring.prompts import read_prompts
from scripts.shared.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("proof") / "data"
    make_dataset(target, n_train=6, n_test=4)
    return target


def test_the_lists_name_the_videos_and_no_video_is_in_both(folder: Path) -> None:
    train = {item.video for item in read_items(folder / "train.json")}
    test = {video.name for video in read_annotation(folder / "annotation.txt")}
    assert (len(train), len(test)) == (6, 4)
    assert train.isdisjoint(test)
    assert train | test == {path.name for path in (folder / "videos").iterdir()}


def test_the_boxes_of_the_test_are_of_its_anomalous_videos(folder: Path) -> None:
    anomalous = {video.name for video in read_annotation(folder / "annotation.txt") if video.intervals}
    assert {item.video for item in read_items(folder / "test_boxes.json")} == anomalous


def test_normal_videos_have_a_caption_and_no_keyframes(folder: Path) -> None:
    """As real lists: a full-frame box would tell them by its size alone."""
    normal = [item for item in read_items(folder / "train.json") if "Normal" in item.video]
    assert normal
    assert all(region.caption and not region.keyframes for item in normal for region in item.regions)


def test_the_prompts_have_the_words_of_the_captions(folder: Path) -> None:
    prompts = read_prompts(folder / "prompts.yaml")
    said = " ".join(str(item.caption) for item in read_items(folder / "train.json")).split()
    assert set(prompts.anomalies) == {"RedSquare", "BlueSquare"}
    assert {word for texts in prompts.anomalies.values() for text in texts for word in text.split()} <= {*said}


def test_the_configuration_names_a_run_and_its_control(folder: Path) -> None:
    options = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["fgclip"]
    dataset = options["datasets"]["proof"]
    assert all(Path(dataset[name]).exists() for name in ("train", "test", "videos", "test_boxes", "prompts"))
    assert options["runs"]["shuffled"] == options["runs"]["proof"] | {"shuffle_captions": True}


def test_equal_arguments_give_equal_bytes_and_what_was_there_is_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.json").write_text("old", encoding="utf-8")
    make_dataset(tmp_path / "data", n_train=6, n_test=4)
    same = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(same) == 15
    for path in same:
        if path.name != "config.yaml":  # names the folder
            assert (folder / path).read_bytes() == (tmp_path / "data" / path).read_bytes(), path


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"holds 'thesis.tex', which is not of the proof"):
        make_dataset(tmp_path, n_train=2, n_test=2)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_so_many_clips_that_names_would_meet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 to 500 clips"):
        make_dataset(tmp_path / "data", n_train=501, n_test=2)
