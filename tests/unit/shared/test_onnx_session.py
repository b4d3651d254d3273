from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from scripts.shared.errors import ConfigError
from scripts.shared.onnx_session import has_cuda, open_session


@pytest.fixture
def doubling(tmp_path: Path) -> Path:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubling", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def test_a_file_is_opened_on_the_cpu(doubling: Path) -> None:
    session, device = open_session(doubling, device="cpu", precision="float32")
    assert device == "cpu"
    assert session.run(None, {"x": np.array([3], np.float32)})[0] == [6]


def test_without_cuda_a_line_says_what_does_without(
    doubling: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    assert not has_cuda()
    assert open_session(doubling, device="cuda", precision="float32", instead="torch does without")[1] == "cpu"
    assert "m.onnx runs on the CPU" in caplog.text
    assert "brings it; torch does without)" in caplog.text


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no graph")
    with pytest.raises(ConfigError, match=r"m\.onnx: not an ONNX model that ONNX Runtime can run"):
        open_session(tmp_path / "m.onnx", device="cpu", precision="float32")
