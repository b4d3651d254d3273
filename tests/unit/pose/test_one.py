import pytest

from scripts.pose.one import ONE, with_one_caption
from scripts.pose.stage import pose_stages
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError

POSE = {"checkpoints": "tiny", "motions": "tests/data/demo/pose", "cfg": 2.0}
GIVEN = load_config({"pose": {**POSE, "datasets": {"tenk": {"captions": "list.txt", "cfg": 3.0}}}}, lambda _: "")


def test_one_caption_is_a_dataset_beside_the_others_with_the_options_of_pose() -> None:
    asked = with_one_caption({**GIVEN, "caption": "A person bowing#8"})
    assert list(asked["pose"]["datasets"]) == ["tenk", ONE]
    _, generate, render = pose_stages(asked, ONE)
    assert [entry.key for entry in render.read_list()] == ["bowing"]
    assert generate.settings["cfg"] == 2.0


def test_without_a_caption_nothing_is_added() -> None:
    assert with_one_caption(GIVEN) is GIVEN


def test_a_dataset_that_has_the_name_already_is_refused() -> None:
    asked = with_one_caption({**GIVEN, "caption": "A person bowing"})
    with pytest.raises(ConfigError, match="name the dataset otherwise"):
        with_one_caption(asked)
