"""ONNX files loaded by ONNX Runtime, on one thread of the CPU or on a GPU. Imports onnxruntime."""

import logging
from pathlib import Path
from typing import Any

import onnxruntime  # type: ignore[import-untyped]
from onnxruntime.capi import onnxruntime_pybind11_state as faults  # type: ignore[import-untyped]

from scripts.shared.errors import ConfigError

log = logging.getLogger(__name__)

_CUDA = "CUDAExecutionProvider"
_LOAD_FAULTS = (
    *(faults.Fail, faults.InvalidProtobuf, faults.InvalidGraph, faults.InvalidArgument, faults.NoSuchFile),
    *(faults.NotImplemented, faults.RuntimeException),
)


def has_cuda() -> bool:
    """Whether this ONNX Runtime was built for CUDA; whether a GPU answers is seen when a session is opened."""
    return _CUDA in onnxruntime.get_available_providers()


def open_session(path: Path, *, device: str, precision: str, instead: str = "") -> tuple[Any, str]:
    """Load an ONNX file.

    Args:
        path: the file; weights beside it are found by its own words.
        device: "cpu" or "cuda".
        precision: "float32" or "tf32", for a GPU.
        instead: what does without CUDA in ONNX Runtime, for the line that says that it is missing.

    Returns:
        The session, and where it really runs: "cpu" or "cuda".

    Raises:
        ConfigError: the file is no ONNX model that this ONNX Runtime can run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    providers: list[Any] = ["CPUExecutionProvider"]
    if device == "cuda" and has_cuda():
        providers.insert(0, (_CUDA, _cuda_options(path, precision)))
    elif device == "cuda":
        log.warning(
            "this ONNX Runtime has no CUDA: %s runs on the CPU (`pip install onnxruntime-gpu` instead of onnxruntime "
            "brings it%s)",
            path.name,
            instead and f"; {instead}",
        )
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except _LOAD_FAULTS as error:
        raise ConfigError(f"{path}: not an ONNX model that ONNX Runtime can run: {in_a_line(error)}") from error
    runs_on = "cuda" if _CUDA in session.get_providers() else "cpu"
    if runs_on == "cpu" and len(providers) > 1:
        log.warning("ONNX Runtime could not start CUDA, see above: %s runs on the CPU", path.name)
    return session, runs_on


def _cuda_options(path: Path, precision: str) -> dict[str, str]:
    if precision == "float16":
        raise ConfigError(f"precision: {path.name} computes in the types it was exported with; use float32 or tf32")
    return {
        # Every new number of frames would start an exhaustive search.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "1" if precision == "tf32" else "0",
    }


def in_a_line(error: Exception) -> str:
    """The beginning of what ONNX Runtime says, which may be a page."""
    return " ".join(str(error).split())[:300]
