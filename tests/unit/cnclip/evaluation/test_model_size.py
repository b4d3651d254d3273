from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from scripts.cnclip.evaluation.model_size import model_size


def test_parameters_are_counted_by_the_header_of_the_weights(tmp_path: Path) -> None:
    tensors = {
        "logit_scale": np.zeros((), np.float32),
        "vision_model.a": np.zeros((3, 4), np.float32),
        "visual_projection.weight": np.zeros((2, 3), np.float32),
        "text_model.b": np.zeros(5, np.float32),
    }
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    found = model_size(tmp_path)
    assert (found.parameters, found.visual_parameters) == (24, 18)
    assert found.bytes == (tmp_path / "model.safetensors").stat().st_size


def test_the_golden_model_has_the_counts_of_upstream() -> None:
    from tests.cnclip_models import golden_model
    from tests.unit.cnclip.evaluation.golden import GOLDEN, as_json

    wanted = as_json(GOLDEN / "zeroshot_golden.json")["file"]
    counts = {key: value.numel() for key, value in golden_model().named_parameters()}
    assert sum(counts.values()) == wanted["num_params"]
    visual = sum(value for key, value in counts.items() if key.startswith(("vision_model.", "visual_projection.")))
    assert visual == wanted["num_visual_params"]


def test_forms_and_checkpoints_are_told_by_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text('{"forms": {"onnx_fp16": {"size_bytes": 6}, "tensorrt": {"size_bytes": 9}}}')
    (tmp_path / "m.img.fp16.onnx").write_bytes(b"1234")
    (tmp_path / "m.img.fp16.trt").write_bytes(b"123456789")
    assert model_size(tmp_path, "onnx_fp16") == (None, None, 6)
    assert model_size(tmp_path, "tensorrt") == (None, None, 9)
    assert model_size(tmp_path / "m.img.fp16.onnx") == (None, None, 4)


def test_a_model_of_several_parts_is_told_by_the_bytes_of_all(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    parts = {"model.safetensors": "projection.weight", "image/model.safetensors": "vision_model.a"}
    for name, key in parts.items():
        save_file({key: np.zeros((3, 4), np.float32)}, tmp_path / name, {"format": "pt"})
    assert model_size(tmp_path) == (None, None, sum((tmp_path / name).stat().st_size for name in parts))
