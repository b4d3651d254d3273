"""Checkpoints in the official layout, written once and copied for each test that spoils them."""

import shutil
from pathlib import Path

import pytest

from tests.pose_models import write_checkpoints


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoints(tmp_path_factory.mktemp("official"), length_estimator=True)


@pytest.fixture
def checkpoints(pristine: Path, tmp_path: Path) -> Path:
    shutil.copytree(pristine.parent, tmp_path / "mardm")
    return tmp_path / "mardm" / "checkpoints"
