"""Model folders and their golden values."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scripts.speaker.encoders.model_folder import inspect_model

GOLDEN = Path("tests/data/golden/wespeaker").absolute()


def settings_of(model_dir: Path | str, runtime: str) -> dict[str, Any]:
    """The settings that a plan has for a model."""
    found = inspect_model(str(model_dir), runtime)
    return {
        "runtime": found.runtime,
        "model": found.name,
        "model_digest": found.digest,
        "precision": "float32",
    }


def noise(batch: int, frames: int, bands: int = 80, seed: int = 0) -> np.ndarray:
    """Features about as large as log-mel ones."""
    return np.random.default_rng(seed).normal(scale=3, size=(batch, frames, bands)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder that a test may spoil."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file in (GOLDEN / "resnet34").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ONNX file of a small model."""
    from scripts.speaker.encoders.native import load_net
    from scripts.speaker.export import write_onnx

    file = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    write_onnx(load_net(GOLDEN / "resnet34"), file)
    return file


class Bomb:
    """Unpickles to a file that should not be there."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def write_bomb(weights: Path, mark: Path) -> None:
    """Put a checkpoint that runs code when it is unpickled in place of another."""
    tensors = torch.load(weights, weights_only=True)
    torch.save({**tensors, "bomb": Bomb(mark)}, weights)
