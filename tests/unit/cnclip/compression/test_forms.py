import json
from pathlib import Path

import pytest

from scripts.cnclip.compression.forms import compare_forms
from scripts.cnclip.model_files.folder import ModelFacts, save_model
from scripts.shared.errors import ConfigError
from tests.cnclip_models import golden_model
from tests.unit.cnclip.compression.toy_evaluation import make_data, run_evaluation


def test_forms_stand_side_by_side(model_dir: Path, exports: Path, tmp_path: Path) -> None:
    make_data(tmp_path / "data")
    for folder, form in ((model_dir, "torch"), (exports, "onnx_int8")):
        run_evaluation(tmp_path / "data", folder, form, tmp_path / form)
    table, timings, figure = (tmp_path / name for name in ("forms.json", "timings.json", "forms.png"))
    evaluations = {form: tmp_path / form for form in ("torch", "onnx_int8")}
    compare_forms(model_dir, exports, table=table, timings=timings, figure=figure, evaluations=evaluations, enough_s=0)
    rows = {row["form"]: row for row in json.loads(table.read_text())}
    assert list(rows) == ["torch", "onnx_fp32", "onnx_fp16", "onnx_int8", "tensorrt"]
    sizes = [rows[form]["size_bytes"] for form in ("torch", "onnx_fp32", "onnx_fp16", "onnx_int8")]
    assert sizes[0] == (model_dir / "model.safetensors").stat().st_size
    assert sizes[2] < 0.6 * sizes[1]
    assert sizes[3] < 0.4 * sizes[1]
    assert len({row["parameters"] for row in rows.values()}) == 1
    assert 0.99 < rows["onnx_int8"]["cosine"]["img"] < 1
    assert rows["onnx_int8"]["recall"]["dataset"] == "toy"
    said = json.loads((tmp_path / "onnx_int8/metrics.json").read_text())
    assert rows["onnx_int8"]["recall"]["t2i"] == said["directions"]["t2i"]["recall"]
    assert rows["onnx_fp16"]["recall"] == rows["onnx_fp16"]["cosine"] == {}
    assert "tensorrt is not installed" in rows["tensorrt"]["skipped"]
    times = json.loads(timings.read_text())
    assert sorted(times) == ["onnx_fp16", "onnx_fp32", "onnx_int8", "torch"]
    assert all(ms > 0 for form in times.values() for ms in form["cpu"].values())
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_exports_of_other_weights_are_not_compared(exports: Path, tmp_path: Path) -> None:
    other = golden_model()
    other.logit_scale.data += 0.1
    save_model(other, tmp_path / "other", facts=ModelFacts("other"))
    place = tmp_path / "x"
    with pytest.raises(ConfigError, match="was exported from other weights"):
        compare_forms(tmp_path / "other", exports, table=place, timings=place, figure=place)
    assert not place.exists()
