from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from scripts.shared.errors import ConfigError
from scripts.speaker.encoders.encoder import DeviceMemoryError
from scripts.speaker.encoders.native import load_net
from scripts.speaker.encoders.onnx import OnnxEncoder, run_session
from scripts.speaker.encoders.torch_encoder import TorchEncoder
from scripts.speaker.export import cosine_distance
from tests.unit.speaker.encoders.conftest import GOLDEN, noise

Shape = Sequence[int | str]


def write_mean(
    file: Path,
    *,
    feats: tuple[str, Shape] = ("feats", ("B", "T", 80)),
    embs: tuple[str, Shape] = ("embs", ("B", 80)),
    kind: int = TensorProto.FLOAT,
    more_inputs: Sequence[str] = (),
    more_outputs: Sequence[str] = (),
    axis: int = 1,
    keepdims: int = 0,
) -> str:
    """A model whose embedding is the mean of the frames."""
    inputs = [helper.make_tensor_value_info(feats[0], kind, feats[1])]
    inputs += [helper.make_tensor_value_info(name, kind, ["B"]) for name in more_inputs]
    outputs = [helper.make_tensor_value_info(name, kind, ["B", 80]) for name in more_outputs]
    outputs.append(helper.make_tensor_value_info(embs[0], kind, embs[1]))
    nodes = [
        helper.make_node("ReduceMean", [feats[0]], [output.name], axes=[axis], keepdims=keepdims) for output in outputs
    ]
    if more_outputs:
        nodes[0] = helper.make_node("ReduceMax", [feats[0]], [more_outputs[0]], axes=[1], keepdims=0)
    graph = helper.make_graph(nodes, "mean", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
    return str(file)


def test_an_export_gives_the_embeddings_of_its_net(onnx_model: Path) -> None:
    native = TorchEncoder(load_net(GOLDEN / "resnet34"), name="native", device="cpu", precision="float32")
    exported = OnnxEncoder(str(onnx_model), name="exported")
    assert exported.dim == native.dim == 32
    batch = noise(2, 61)
    assert cosine_distance(exported.embed(batch), native.embed(batch)).max() < 2e-7


def test_input_and_output_may_have_other_names(tmp_path: Path) -> None:
    path = write_mean(tmp_path / "m.onnx", feats=("x", ("n", "frames", "bands")), embs=("y", ("n", "dim")))
    encoder, batch = OnnxEncoder(path, name="mean"), noise(2, 30)
    assert encoder.dim == 80
    assert np.allclose(encoder.embed(batch), batch.mean(1), atol=1e-6)


def test_of_several_outputs_the_one_called_embs_is_taken(tmp_path: Path) -> None:
    path, batch = write_mean(tmp_path / "m.onnx", more_outputs=["largest"]), noise(2, 30)
    assert np.allclose(OnnxEncoder(path, name="mean").embed(batch), batch.mean(1), atol=1e-6)


def test_an_export_for_one_utterance_is_run_row_by_row(tmp_path: Path) -> None:
    path = write_mean(tmp_path / "m.onnx", feats=("feats", (1, "T", 80)), embs=("embs", (1, 80)))
    batch = noise(3, 30)
    assert np.allclose(OnnxEncoder(path, name="mean").embed(batch), batch.mean(1), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            {"feats": ("wave", ("B", "samples"))},
            r"its input is wave tensor\(float\) \['B', 'samples'\]; needed is feats",
        ),
        (
            {"feats": ("feats", ("B", 200, 80))},
            r"input is .*200, 80\]; .*\[B, T, 80\], the number of frames T left open",
        ),
        ({"feats": ("feats", ("B", "T", 40))}, r"input is .*'T', 40\]"),
        ({"feats": ("feats", (8, "T", 80))}, r"input is .*\[8, 'T', 80\]"),
        ({"kind": TensorProto.DOUBLE}, r"input is feats tensor\(double\)"),
        ({"more_inputs": ["lengths"]}, r"inputs are feats .*, lengths .*; needed is .* alone"),
        ({"embs": ("y", ("B", 80)), "more_outputs": ["z"]}, r"outputs are z .*, y .*; needed is embs .* alone"),
        ({"embs": ("embs", ("B", 1, 80)), "keepdims": 1}, r"output is embs .*\['B', 1, 80\]"),
        ({"embs": ("embs", ("B", "D")), "axis": 0}, r"gives an array of \(200, 80\) for one utterance"),
    ],
)
def test_a_model_of_another_kind_is_refused_with_what_it_is(tmp_path: Path, model: dict[str, Any], told: str) -> None:
    path = write_mean(tmp_path / "strange.onnx", **model)
    with pytest.raises(ConfigError, match=rf"strange\.onnx: .*{told}"):
        OnnxEncoder(path, name="strange")


def test_a_model_that_fails_on_features_is_refused(tmp_path: Path) -> None:
    feats = helper.make_tensor_value_info("feats", TensorProto.FLOAT, ["B", "T", "F"])
    embs = helper.make_tensor_value_info("embs", TensorProto.FLOAT, ["B", "D"])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [40, 4], [0.0] * 160)
    nodes = [
        helper.make_node("MatMul", ["feats", "w"], ["y"]),
        helper.make_node("ReduceMean", ["y"], ["embs"], axes=[1]),
    ]
    graph = helper.make_graph(nodes, "forty", [feats], [embs], [weights])
    file = tmp_path / "forty.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
    with pytest.raises(ConfigError, match=r"forty\.onnx: loads, but fails on 200 frames of 80 mel bands: "):
        OnnxEncoder(str(file), name="forty")


@pytest.mark.parametrize("content", [b"", b"no protobuf at all", b"\x08\x08"])
def test_a_file_that_is_no_onnx_model_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "text.onnx"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"text\.onnx: "):
        OnnxEncoder(str(file), name="text")


class _FullDevice:
    def __init__(self, words: str) -> None:
        self.words = words

    def run(self, *_: Any) -> Any:
        raise faults.RuntimeException(self.words)


@pytest.mark.parametrize(
    "words", ["Failed to allocate memory for requested buffer of size 9", "CUDA failure 2: out of memory"]
)
def test_a_device_without_room_is_told_from_other_failures(words: str) -> None:
    with pytest.raises(DeviceMemoryError):
        run_session(_FullDevice(words), "embs", {})
    with pytest.raises(faults.RuntimeException):
        run_session(_FullDevice("CUDA failure 700: an illegal memory access"), "embs", {})
