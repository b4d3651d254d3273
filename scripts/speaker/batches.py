"""One model on a device: batches go through it whole, or in smaller ones where they do not fit."""

import logging
import math

import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import JobError, SampleError
from scripts.speaker.encoders.encoder import DeviceMemoryError, Encoder
from scripts.speaker.groups import FRAMES_PER_SECOND

_PROBE_FRAMES = 200

log = logging.getLogger(__name__)


class Batches:
    """Embeds batches, at half their rows and half again where the device refuses them.

    Args:
        encoder: the model, on its device.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._refused = math.inf  # the fewest frames of a batch that did not fit; those to come spare the try

    def embed(self, batch: NDArray[np.float32], n: int) -> tuple[NDArray[np.float32], int]:
        """Embed the recordings of a batch.

        Args:
            batch: (B, T, F) float32; B is a power of two.
            n: recordings in it, from 1 to B; the rows after them are zero.

        Returns:
            (n, D) float32, and how many rows were computed at once: B, or fewer where B did not fit.

        Raises:
            SampleError: `out_of_memory` where a single row of this length does not fit; `model_failed` where the model
                cannot take it for another reason.
            JobError: the device answers no more, or has no memory for anything.
        """
        rows, n_frames, _ = batch.shape
        while rows > 1 and rows * n_frames >= self._refused:
            rows //= 2
        while True:
            try:
                embeddings = [self.encoder.embed(batch[start : start + rows]) for start in range(0, n, rows)]
                return np.concatenate(embeddings)[:n], rows
            except Exception as error:
                if not _comes_from_device(error):
                    raise
                # Words alone: the error would keep what the failed batch holds of the device's memory.
                no_memory, said = isinstance(error, DeviceMemoryError), _first_line(error)
            if rows == 1:
                raise self._verdict(batch[:1], no_memory, said)
            log.warning("%d x %.1f s are too much at once (%s)", rows, n_frames / FRAMES_PER_SECOND, said)
            self._refused = min(self._refused, rows * n_frames)
            rows //= 2

    def _verdict(self, row: NDArray[np.float32], no_memory: bool, said: str) -> SampleError | JobError:
        """Whether what failed on a single row is the recording's fault, or the device takes nothing any more."""
        try:
            self.encoder.embed(np.zeros_like(row[:, :_PROBE_FRAMES]))
        except Exception as error:
            if not _comes_from_device(error):
                raise
            return JobError(
                f"the model computes no more on {self.encoder.device}: {said}; run again when the device is well and "
                "has free memory: what is finished is kept"
            )
        length = f"{row.shape[1] / FRAMES_PER_SECOND:.0f} s"
        if no_memory:
            return SampleError(
                "out_of_memory", f"{length} need more memory than there is; max_seconds embeds long files in parts"
            )
        return SampleError("model_failed", f"the model does not take {length}: {said}")


def _comes_from_device(error: Exception) -> bool:
    """Whether torch, CUDA or ONNX Runtime raised it, whose errors have no common class; others are defects."""
    return isinstance(error, DeviceMemoryError | RuntimeError) or type(error).__module__.startswith("onnxruntime.")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
