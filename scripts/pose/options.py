"""What the options of a dataset mean together: its preset, and the frame that becomes the pose. Light."""

from collections.abc import Mapping
from typing import Any

from scripts.shared.errors import ConfigError

MIDDLE, LAST = -1, -2
PRESETS: dict[str, dict[str, int | float]] = {
    "fast": {"sequence_length": 8, "time_steps": 10, "cfg": 3.0},
    "standard": {"sequence_length": 16, "time_steps": 18, "cfg": 4.5},
    "high": {"sequence_length": 32, "time_steps": 50, "cfg": 5.0},
}


def with_preset(dataset: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A dataset's options with what its preset says where they say nothing.

    Args:
        dataset: as `load_config` gives it.
        name: of the dataset, for the message.

    Raises:
        ConfigError: its frame is beyond the end of its motions.
    """
    options = PRESETS[dataset["preset"]] | dict(dataset)
    try:
        chosen_frame(options["frame_index"], options["sequence_length"])
    except ValueError as error:
        raise ConfigError(f"pose.datasets.{name}: frame_index: {error}; -1 takes the middle frame") from None
    return options


def chosen_frame(frame_index: int, n_frames: int) -> int:
    """The frame of a motion that becomes the pose.

    Args:
        frame_index: from 0; -1 is the middle one, -2 the last, and what is below counts from the end (-3 is the last
            but two).
        n_frames: of the motion.

    Raises:
        ValueError: the motion has no such frame.
    """
    if not -n_frames <= frame_index < n_frames:
        raise ValueError(f"{frame_index} is beyond the {n_frames} frames of the motion")
    if frame_index == MIDDLE:
        return n_frames // 2
    return n_frames - 1 if frame_index == LAST else frame_index % n_frames
