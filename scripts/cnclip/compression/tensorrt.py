"""TensorRT: engines for the GPU of this machine, built from ONNX files.

An engine runs on the kind of GPU and with the version of TensorRT that built it. TensorRT 11 computes in the types that
the ONNX file names, so an engine in float16 is built from the file in float16. Imports tensorrt only when asked to.

Source: the Python interface of TensorRT 11 (Builder, OnnxParser, Runtime, IExecutionContext.execute_async_v3).
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from scripts.cnclip.compression.export_file import TENSORRT
from scripts.cnclip.compression.exported_encoder import ExportedEncoder
from scripts.cnclip.compression.halves import Side
from scripts.cnclip.encoder import Features
from scripts.shared import atomic_files
from scripts.shared.clip_pixels import MEAN, STD
from scripts.shared.errors import ConfigError, JobError

LARGEST_BATCH = 128
DEVICE = "cuda"
_USUAL_SHARE = 0.25  # of the largest batch: what an engine is tuned for


def why_not(device: str = DEVICE) -> str:
    """Why there is no TensorRT here; empty where there is.

    Args:
        device: that a job was given, "cuda" or "cpu".
    """
    if importlib.util.find_spec("tensorrt") is None:
        return "the Python package tensorrt is not installed (`pip install tensorrt`, on a machine with a GPU)"
    if device == "cpu":
        return "this job was given no GPU"
    if not torch.cuda.is_available():
        return "torch finds no GPU here"
    return ""


def build_engine(onnx_file: Path, out: Path, *, largest_batch: int = LARGEST_BATCH) -> None:
    """Build an engine for this machine's GPU.

    Args:
        onnx_file: one input whose first axis is open.
        out: the engine file.
        largest_batch: most rows it takes at once; it takes any number from one on.

    Raises:
        JobError: TensorRT cannot build it; says what it said.
    """
    trt, logger = _library()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx_file)):
        said = "; ".join(str(parser.get_error(number)) for number in range(parser.num_errors))
        raise JobError(f"{onnx_file.name}: TensorRT does not take it: {said}; leave tensorrt out of the forms")
    entry = network.get_input(0)
    row = tuple(entry.shape)[1:]
    usual = max(1, round(largest_batch * _USUAL_SHARE))
    profile = builder.create_optimization_profile()
    profile.set_shape(entry.name, (1, *row), (usual, *row), (largest_batch, *row))
    settings = builder.create_builder_config()
    settings.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise JobError(f"{onnx_file.name}: TensorRT builds no engine of it, see above; leave tensorrt out of the forms")
    atomic_files.write_bytes(out, bytes(plan))


class Engine:
    """One half of a model as an engine.

    Args:
        file: from `build_engine`.

    Raises:
        ConfigError: there is no TensorRT here, or the engine was built by another version or for another GPU.
    """

    def __init__(self, file: Path) -> None:
        if reason := why_not():
            raise ConfigError(f"{file}: cannot be run: {reason}")
        trt, logger = _library()
        self._runtime = trt.Runtime(logger)  # an engine lives no longer than it
        self._engine = self._runtime.deserialize_cuda_engine(file.read_bytes())
        if self._engine is None:
            raise ConfigError(
                f"{file}: TensorRT {trt.__version__} on this GPU does not load it: engines belong to the version and "
                "the GPU that built them; export the model again here"
            )
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        self._input, self._output = inputs[0], next(name for name in names if name not in inputs)
        _, _, largest = self._engine.get_tensor_profile_shape(self._input, 0)
        self.largest_batch = int(next(iter(largest)))
        self._device = torch.device(DEVICE)

    def run(self, rows: NDArray[Any]) -> Features:
        """Rows of the half's input, (n, ...), as features (n, D); any number of rows."""
        largest = self.largest_batch
        parts = [self.run_tensor(torch.from_numpy(rows[i : i + largest])) for i in range(0, len(rows), largest)]
        return torch.cat(parts).cpu().numpy()

    def run_tensor(self, rows: Tensor) -> Tensor:
        """At most `largest_batch` rows, on any device, as features (n, D) float32 on the GPU.

        Raises:
            JobError: the engine fails.
        """
        rows = rows.to(self._device).contiguous()
        if not self._context.set_input_shape(self._input, tuple(rows.shape)):
            raise JobError(f"TensorRT: the engine does not take {tuple(rows.shape)}")
        shape = tuple(self._context.get_tensor_shape(self._output))
        features = torch.empty(shape, dtype=torch.float32, device=self._device)
        self._context.set_tensor_address(self._input, rows.data_ptr())
        self._context.set_tensor_address(self._output, features.data_ptr())
        # TensorRT adds waits of its own on the default stream.
        stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise JobError("TensorRT: the engine failed, see above")
        stream.synchronize()
        return features


class TensorRtModel(ExportedEncoder):
    """See `ImageTextEncoder`.

    Args:
        path: a folder of exports.
        batch_size: rows at once; None for the largest that the engines take.

    Raises:
        ConfigError: it has no engines, or they cannot be run here.
    """

    def __init__(self, path: Path, *, batch_size: int | None = None) -> None:
        super().__init__(path, TENSORRT)
        self._engines = {side: Engine(file) for side, file in self.files.items()}
        largest = min(engine.largest_batch for engine in self._engines.values())
        self.batch_size = min(batch_size or largest, largest)
        self._mean, self._std = (torch.tensor(value, device=DEVICE).view(3, 1, 1) for value in (MEAN, STD))

    def features(self, side: Side, batch: NDArray[Any]) -> Features:
        """See `ExportedEncoder.features`."""
        rows = torch.from_numpy(batch).to(DEVICE)
        if rows.dtype == torch.uint8:
            rows = (rows.float() / 255 - self._mean) / self._std
        return self._engines[side].run_tensor(rows).cpu().numpy()


@cache
def _library() -> tuple[Any, Any]:
    """The package and its one logger."""
    import tensorrt as trt  # type: ignore[import-not-found]

    return trt, trt.Logger(trt.Logger.WARNING)
