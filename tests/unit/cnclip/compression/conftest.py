"""Upstream's golden model, exported once for all tests by the exporter that production uses."""

from pathlib import Path

import onnx
import pytest

from scripts.cnclip.compression.export import export_model
from scripts.cnclip.compression.halves import Side
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from tests.cnclip_models import golden_model


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compression") / "golden"
    facts = ModelFacts("golden", source="random numbers", trained_on=("made-up",))
    save_model(golden_model(), folder, facts=facts)
    return folder


@pytest.fixture(scope="session")
def exports(model_dir: Path) -> Path:
    out = model_dir.parent / "exports"
    export_model(model_dir, out, name="golden")
    return out


@pytest.fixture
def stored_export(exports: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `export_model` take the graphs of `exports` instead of making them again, which takes seconds."""

    def stored(_tower: object, side: Side, _shape: object) -> onnx.ModelProto:
        return onnx.load(exports / f"golden.{side}.fp32.onnx")

    monkeypatch.setattr("scripts.cnclip.compression.export.export_tower", stored)
    return exports
