import pytest

from scripts.pose.options import PRESETS, chosen_frame, with_preset
from scripts.shared.config import read_schema
from scripts.shared.errors import ConfigError


def test_a_preset_says_what_is_unset_and_what_is_set_wins() -> None:
    given = {"preset": "fast", "frame_index": -1, "cfg": 2.0}
    assert with_preset(given, "tenk") == given | {"sequence_length": 8, "time_steps": 10}


def test_the_schema_says_what_each_preset_stands_for() -> None:
    option = read_schema()["properties"]["pose"]["properties"]["preset"]
    assert option["enum"] == list(PRESETS)
    numbers = [f"{name} {', '.join(map(str, preset.values()))}" for name, preset in PRESETS.items()]
    assert option["description"].startswith(
        f"sequence_length, time_steps and cfg where they are unset: {'; '.join(numbers)}."
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_a_frame_beyond_a_presets_motion_is_refused(preset: str) -> None:
    n_frames = int(PRESETS[preset]["sequence_length"])
    assert with_preset({"preset": preset, "frame_index": n_frames - 1}, "tenk")
    with pytest.raises(ConfigError, match=rf"^pose\.datasets\.tenk: frame_index: {n_frames} is beyond the {n_frames}"):
        with_preset({"preset": preset, "frame_index": n_frames}, "tenk")


@pytest.mark.parametrize(("frame_index", "frame"), [(0, 0), (15, 15), (-1, 8), (-2, 15), (-3, 13), (-16, 0)])
def test_negative_frames_are_the_middle_the_last_and_others_from_the_end(frame_index: int, frame: int) -> None:
    assert chosen_frame(frame_index, 16) == frame


@pytest.mark.parametrize("frame_index", [16, 99, -17])
def test_a_frame_that_a_motion_has_not_is_refused(frame_index: int) -> None:
    with pytest.raises(ValueError, match=f"{frame_index} is beyond the 16 frames of the motion"):
        chosen_frame(frame_index, 16)
