from dataclasses import asdict

import pytest

from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError
from scripts.speaker.boundaries.options import BoundaryOptions


def test_the_defaults_are_those_of_the_schema() -> None:
    config = load_config({"speaker": {"datasets": {"lab": {"embeddings_dir": "in"}}}}, lambda _: "config.yaml")
    dataset = config["speaker"]["datasets"]["lab"]
    assert {name: dataset.get(name) for name in asdict(BoundaryOptions())} == asdict(BoundaryOptions())


def test_a_window_as_long_as_a_segment_is_refused_where_it_would_be_used() -> None:
    given = {"segment_size": 10, "boundary_window": 10}
    assert BoundaryOptions.from_config({"method": "changepoint", **given, "model_dir": "m"}).boundary_window == 10
    with pytest.raises(ConfigError, match="boundary_window is 10, but must be smaller than segment_size"):
        BoundaryOptions.from_config({"method": "gmm", **given})
