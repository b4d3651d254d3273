"""Models in ONNX Runtime: exports of WeSpeaker, and whatever else takes features and gives embeddings."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as faults  # type: ignore[import-untyped]

from scripts.shared.errors import ConfigError
from scripts.speaker.encoders.encoder import MEL_BANDS, PROBE_FRAMES, DeviceMemoryError

log = logging.getLogger(__name__)

INPUT = "feats"
OUTPUT = "embs"
_CUDA = "CUDAExecutionProvider"
_LOAD_FAULTS = (
    *(faults.Fail, faults.InvalidProtobuf, faults.InvalidGraph, faults.InvalidArgument, faults.NoSuchFile),
    *(faults.NotImplemented, faults.RuntimeException),
)
_RUN_FAULTS = (faults.Fail, faults.RuntimeException, faults.InvalidArgument, faults.EPFail)
_NO_MEMORY = ("Failed to allocate memory", "out of memory", "ALLOC_FAILED")


class OnnxEncoder:
    """A model of one input (B, T, 80) and one output (B, D).

    Args:
        path: the ONNX file.
        name: the model's name.
        device: "cpu" or "cuda".
        precision: "float32" or "tf32", for a GPU.

    Raises:
        ConfigError: the file is no model of that kind; the text names it and what was found.
    """

    def __init__(self, path: str, *, name: str, device: str = "cpu", precision: str = "float32") -> None:
        self.name = name
        self._session, self.device = open_session(Path(path), device=device, precision=precision)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        feats = _only(path, "input", inputs, INPUT, ("B", "T", MEL_BANDS))
        embs = _only(path, "output", [each for each in outputs if each.name == OUTPUT] or outputs, OUTPUT, ("B", "D"))
        self._input, self._output = str(feats.name), str(embs.name)
        self._one_by_one = feats.shape[:1] == [1]  # some exports take one utterance a run
        self.dim = self._probe(path)

    def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Encoder.embed`."""
        if self._one_by_one:
            return np.concatenate([self._run(row[None]) for row in batch])
        return self._run(batch)

    def _run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return run_session(self._session, self._output, {self._input: batch})

    def _probe(self, path: str) -> int:
        try:
            embeddings = self._run(np.zeros((1, PROBE_FRAMES, MEL_BANDS), np.float32))
        except _RUN_FAULTS as error:
            raise ConfigError(
                f"{path}: loads, but fails on {PROBE_FRAMES} frames of {MEL_BANDS} mel bands: {_line(error)}"
            ) from error
        if embeddings.ndim != 2 or len(embeddings) != 1:
            raise ConfigError(
                f"{path}: gives an array of {embeddings.shape} for one utterance; an embedding of (1, D) is needed"
            )
        return int(embeddings.shape[1])


def open_session(path: Path, *, device: str, precision: str) -> tuple[Any, str]:
    """Load an ONNX file, computing on one thread of the CPU or on a GPU.

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
    if device == "cuda" and _CUDA in onnxruntime.get_available_providers():
        providers.insert(0, (_CUDA, _cuda_options(path, precision)))
    elif device == "cuda":
        log.warning(
            "this ONNX Runtime has no CUDA: %s runs on the CPU (`pip install onnxruntime-gpu` instead of onnxruntime "
            "brings it; runtime native does without)",
            path.name,
        )
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except _LOAD_FAULTS as error:
        raise ConfigError(f"{path}: not an ONNX model that ONNX Runtime can run: {_line(error)}") from error
    runs_on = "cuda" if _CUDA in session.get_providers() else "cpu"
    if runs_on == "cpu" and len(providers) > 1:
        log.warning("ONNX Runtime could not start CUDA, see above: %s runs on the CPU", path.name)
    return session, runs_on


def run_session(session: Any, output: str, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Run a session for one output.

    Raises:
        DeviceMemoryError: the inputs are too many for the device.
    """
    try:
        result: NDArray[np.float32] = session.run([output], inputs)[0]
    except _RUN_FAULTS as error:
        if any(words in str(error) for words in _NO_MEMORY):
            raise DeviceMemoryError(_line(error)) from error
        raise
    return result


def _cuda_options(path: Path, precision: str) -> dict[str, str]:
    if precision == "float16":
        raise ConfigError(f"precision: {path.name} computes in the types it was exported with; use float32 or tf32")
    return {
        # Every new number of frames would start an exhaustive search.
        "cudnn_conv_algo_search": "HEURISTIC",
        "arena_extend_strategy": "kSameAsRequested",
        "use_tf32": "1" if precision == "tf32" else "0",
    }


def _only(path: str, kind: str, found: list[Any], usual: str, wanted: tuple[str | int, ...]) -> Any:
    """The only input or output, after checking its type and shape."""
    told = ", ".join(f"{each.name} {each.type} {each.shape}" for each in found)
    needed = f"{usual} tensor(float) [{', '.join(map(str, wanted))}]"
    if len(found) != 1:
        raise ConfigError(f"{path}: its {kind}s are {told}; needed is {needed} alone")
    shape = found[0].shape
    # No shape at all is one that the file leaves open.
    fits = not shape or (len(shape) == len(wanted) and all(map(_fits, shape, wanted)))
    if not fits or found[0].type != "tensor(float)":
        raise ConfigError(f"{path}: its {kind} is {told}; needed is {needed}, the number of frames T left open")
    return found[0]


def _fits(size: object, axis: str | int) -> bool:
    """Whether a size that a file states, a number or the name of an open one, can serve as an axis."""
    match axis:
        case "T":
            return not isinstance(size, int)
        case "B":
            return not isinstance(size, int) or size == 1
        case int():
            return not isinstance(size, int) or size == axis
        case _:
            return True


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
