"""TensorRT where it is not: the reason is said. And our calls of it, against a stand-in that notes them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from scripts.cnclip.compression import tensorrt
from scripts.cnclip.compression.export import export_model
from scripts.cnclip.compression.export_file import read_export
from scripts.cnclip.encoder import open_model
from scripts.shared.errors import ConfigError, JobError

IDS = np.array([[101, 3000, 102, *[0] * 49]] * 5, np.int64)


def test_without_the_package_the_reason_is_written_down(exports: Path) -> None:
    assert tensorrt.why_not().startswith("the Python package tensorrt is not installed")
    assert read_export(exports).forms["tensorrt"].skipped == tensorrt.why_not()
    assert not list(exports.glob("*.trt"))


def test_without_a_gpu_the_reason_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert tensorrt.why_not() == "torch finds no GPU here"


def test_an_engine_cannot_be_run_without_tensorrt(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kl\.img\.fp16\.trt: cannot be run: the Python package tensorrt"):
        tensorrt.Engine(tmp_path / "kl.img.fp16.trt")


class SoftTensorRt:
    """Stands for the package: a plan is the path of its ONNX file, which ONNX Runtime computes."""

    __version__ = "11.0"
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")

    def __init__(self) -> None:
        self.profiles: list[tuple[Any, ...]] = []
        self.takes, self.builds, self.loads, self.runs = True, True, True, True

    def Builder(self, _logger: object) -> Any:  # noqa: N802 - as TensorRT names it
        profile = SimpleNamespace(set_shape=lambda *shapes: self.profiles.append(shapes))
        return SimpleNamespace(
            create_network=lambda flags: SimpleNamespace(flags=flags),
            create_optimization_profile=lambda: profile,
            create_builder_config=lambda: SimpleNamespace(add_optimization_profile=lambda _: 0),
            build_serialized_network=lambda network, _: network.path.encode() if self.builds else None,
        )

    def OnnxParser(self, network: Any, _logger: object) -> Any:  # noqa: N802
        def parse(path: str) -> bool:
            entry = onnxruntime.InferenceSession(path).get_inputs()[0]
            network.path = path
            network.get_input = lambda _: SimpleNamespace(name=entry.name, shape=(-1, *entry.shape[1:]))
            return self.takes

        return SimpleNamespace(parse_from_file=parse, num_errors=1, get_error=lambda _: "no such operator")

    def Runtime(self, _logger: object) -> Any:  # noqa: N802
        return SimpleNamespace(deserialize_cuda_engine=lambda plan: SoftEngine(self, plan) if self.loads else None)


class SoftEngine:
    num_io_tensors = 2

    def __init__(self, package: SoftTensorRt, plan: bytes) -> None:
        self._package, self._session = package, onnxruntime.InferenceSession(plan.decode())
        self._names = [self._session.get_outputs()[0].name, self._session.get_inputs()[0].name]
        self.addresses: dict[str, int] = {}
        self.shape: tuple[int, ...] = ()

    def get_tensor_name(self, number: int) -> str:
        return self._names[number]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == self._names[1] else "out"

    def get_tensor_profile_shape(self, name: str, _: int) -> list[tuple[int, ...]]:
        return [shape for one, *shapes in self._package.profiles if one == name for shape in shapes][-3:]

    def create_execution_context(self) -> "SoftEngine":
        return self

    def set_input_shape(self, _: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return shape[0] <= self.get_tensor_profile_shape(self._names[1], 0)[2][0]

    def get_tensor_shape(self, _: str) -> tuple[int, ...]:
        return (self.shape[0], self._session.get_outputs()[0].shape[1])

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, _stream: int) -> bool:
        import ctypes

        entry = self._session.get_inputs()[0]
        kind = np.int64 if entry.type == "tensor(int64)" else np.float32
        n_bytes = int(np.prod(self.shape)) * np.dtype(kind).itemsize
        rows = np.frombuffer(ctypes.string_at(self.addresses[entry.name], n_bytes), kind).reshape(self.shape)
        found = np.ascontiguousarray(self._session.run(None, {entry.name: rows})[0])
        ctypes.memmove(self.addresses[self._names[0]], found.ctypes.data, found.nbytes)
        return self._package.runs


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> SoftTensorRt:
    stand_in = SoftTensorRt()
    monkeypatch.setattr(tensorrt, "why_not", lambda *_: "")
    monkeypatch.setattr(tensorrt, "_library", lambda: (stand_in, None))
    monkeypatch.setattr(tensorrt, "DEVICE", "cpu")
    stream = SimpleNamespace(cuda_stream=0, wait_stream=lambda _: None, synchronize=lambda: None)
    monkeypatch.setattr("torch.cuda.Stream", lambda _: stream)
    monkeypatch.setattr("torch.cuda.current_stream", lambda _: stream)
    return stand_in


def test_engines_are_built_compared_and_run(
    package: SoftTensorRt, stored_export: Path, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "exports"
    # A stand-in's plan names its ONNX file, so these stay where they were made.
    monkeypatch.setattr("scripts.cnclip.compression.export.new_folder", lambda folder: _Made(folder))
    export_model(model_dir, out, name="golden", forms=["onnx_fp16", "tensorrt"], largest_batch=4)
    assert package.profiles == [
        ("image", (1, 3, 32, 32), (1, 3, 32, 32), (4, 3, 32, 32)),
        ("text", (1, 52), (1, 52), (4, 52)),
    ]
    found = read_export(out).forms
    assert [list(names) for names in found["tensorrt"].files.values()] == [
        ["golden.img.fp16.trt"],
        ["golden.txt.fp16.trt"],
    ]
    assert found["tensorrt"].differences == found["onnx_fp16"].differences
    encoder, wanted = open_model(out, "tensorrt"), open_model(model_dir, device="cpu")
    assert np.abs(encoder.encode_tokens(IDS) - wanted.encode_tokens(IDS)).max() < 2e-3
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)
    assert np.abs(encoder.encode_pixels(pixels) - wanted.encode_pixels(pixels)).max() < 2e-3
    with pytest.raises(JobError, match=r"does not take \(5, 52\)"):
        tensorrt.Engine(out / "golden.txt.fp16.trt").run_tensor(torch.from_numpy(IDS))


class _Made:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Path:
        self.folder.mkdir()
        return self.folder

    def __exit__(self, *_: object) -> None:
        pass


def test_what_tensorrt_refuses_is_said(package: SoftTensorRt, exports: Path, tmp_path: Path) -> None:
    file, engine = exports / "golden.txt.fp16.onnx", tmp_path / "golden.txt.fp16.trt"
    tensorrt.build_engine(file, engine, largest_batch=8)
    package.runs = False
    with pytest.raises(JobError, match="the engine failed"):
        tensorrt.Engine(engine).run(IDS)
    package.loads = False
    with pytest.raises(ConfigError, match=r"TensorRT 11\.0 on this GPU does not load it"):
        tensorrt.Engine(engine)
    engine.unlink()
    package.builds = False
    with pytest.raises(JobError, match="builds no engine of it"):
        tensorrt.build_engine(file, engine)
    package.takes = False
    with pytest.raises(JobError, match="TensorRT does not take it: no such operator"):
        tensorrt.build_engine(file, engine)
    assert not engine.exists()


def test_a_job_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert tensorrt.why_not("cpu") == "this job was given no GPU"
    assert tensorrt.why_not("cuda") == ""
