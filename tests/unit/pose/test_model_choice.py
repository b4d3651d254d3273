from pathlib import Path
from typing import Any

import pytest

from scripts.pose.model_choice import choose_model, official_model
from scripts.shared.config import load_config
from scripts.shared.errors import ConfigError

TINY = {"checkpoints": "tiny", "motions": "tests/data/demo/pose"}


def config(tmp_path: Path, options: dict[str, str]) -> dict[str, Any]:
    datasets = {"tenk": {"captions": str(tmp_path / "list.txt")}}
    return load_config({"pose": {**options, "datasets": datasets}}, lambda _: "config.yaml")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "'checkpoints' is missing: name the folder"),
        ({"checkpoints": "/models"}, "'model' is missing: sit or ddpm"),
        ({"checkpoints": "tiny"}, "tiny needs pose.motions"),
        ({**TINY, "skeleton": "kit"}, "the tiny model is sit and t2m"),
        ({**TINY, "model": "ddpm"}, "the tiny model is sit and t2m"),
    ],
)
def test_a_model_that_is_not_told_whole_is_refused(tmp_path: Path, options: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=rf"^pose\.datasets\.tenk: .*{words}"):
        choose_model(config(tmp_path, options), "tenk")


def test_a_converted_model_that_no_dataset_asks_for_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no dataset of the configuration asks for the model t2m-sit-0\.safetensors"):
        official_model(config(tmp_path, TINY), "t2m-sit-0.safetensors")
