import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.pose.toy.recipe import RECIPE, recipe_identity
from scripts.shared.errors import ConfigError
from tests.unit.pose.toy.demo import CAPTIONS, MOTIONS


def test_a_model_is_called_the_same_wherever_its_data_lies(tmp_path: Path) -> None:
    copies = [Path(shutil.copy(path, tmp_path / f"copy-{path.name}")) for path in (MOTIONS, CAPTIONS)]
    assert recipe_identity(*copies, seed=1) == recipe_identity(MOTIONS, CAPTIONS, seed=1)


def test_another_seed_recipe_motion_or_caption_is_another_model(tmp_path: Path) -> None:
    motions, captions = tmp_path / "motions.npz", tmp_path / "captions.csv"
    motions.write_bytes(MOTIONS.read_bytes() + b"\0")
    captions.write_text(CAPTIONS.read_text().replace("walk", "stroll"))
    identities = [
        recipe_identity(MOTIONS, CAPTIONS, 1),
        recipe_identity(MOTIONS, CAPTIONS, 2),
        recipe_identity(MOTIONS, CAPTIONS, 1, replace(RECIPE, steps=RECIPE.steps + 1)),
        recipe_identity(motions, CAPTIONS, 1),
        recipe_identity(MOTIONS, captions, 1),
    ]
    assert len(set(identities)) == len(identities)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.csv: No such file"):
        recipe_identity(MOTIONS, tmp_path / "gone.csv", 1)
