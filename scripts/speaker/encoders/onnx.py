"""Models in ONNX Runtime: exports of WeSpeaker, and whatever else takes features and gives embeddings."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as faults  # type: ignore[import-untyped]

from scripts.shared.errors import ConfigError
from scripts.shared.onnx_session import in_a_line, open_session
from scripts.speaker.encoders.encoder import MEL_BANDS, PROBE_FRAMES, DeviceMemoryError

INPUT = "feats"
OUTPUT = "embs"
WITHOUT_CUDA = "runtime native does without"
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
        self._session, self.device = open_session(Path(path), device=device, precision=precision, instead=WITHOUT_CUDA)
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
                f"{path}: loads, but fails on {PROBE_FRAMES} frames of {MEL_BANDS} mel bands: {in_a_line(error)}"
            ) from error
        if embeddings.ndim != 2 or len(embeddings) != 1:
            raise ConfigError(
                f"{path}: gives an array of {embeddings.shape} for one utterance; an embedding of (1, D) is needed"
            )
        return int(embeddings.shape[1])


def run_session(session: Any, output: str, inputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """Run a session for one output.

    Raises:
        DeviceMemoryError: the inputs are too many for the device.
    """
    try:
        result: NDArray[np.float32] = session.run([output], inputs)[0]
    except _RUN_FAULTS as error:
        if any(words in str(error) for words in _NO_MEMORY):
            raise DeviceMemoryError(in_a_line(error)) from error
        raise
    return result


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
