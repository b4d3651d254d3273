"""One pose from a caption of the command line: a dataset of its own, beside those of the configuration."""

from collections.abc import Mapping
from typing import Any

from scripts.shared.config import OF_THE_SYSTEM
from scripts.shared.errors import ConfigError

ONE = "one"


def with_one_caption(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration with the dataset `one` where it names a caption; it has the options of `pose`.

    Args:
        config: the whole configuration, as `load_config` gives it.

    Raises:
        ConfigError: the configuration has a dataset of this name.
    """
    if "caption" not in config:
        return config
    pose = config["pose"]
    if ONE in pose["datasets"]:
        raise ConfigError(f"pose.datasets.{ONE}: pose_one makes its pose under this name; name the dataset otherwise")
    options = {option: value for option, value in pose.items() if option not in OF_THE_SYSTEM}
    dataset = options | {"caption": config["caption"], "select": "all", "previews": []}
    return {**config, "pose": {**pose, "datasets": {**pose["datasets"], ONE: dataset}}}
