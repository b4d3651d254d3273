"""Running a torch net as an encoder, on one thread of the CPU or on a GPU."""

import logging
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scripts.speaker.encoders.encoder import MEL_BANDS, PROBE_FRAMES, DeviceMemoryError

log = logging.getLogger(__name__)


class TorchEncoder:
    """A net that takes features (B, T, 80) and gives embeddings (B, D), or a tuple whose last element they are.

    Args:
        net: on the CPU, in float32; it is put into evaluation mode and moved.
        name: the model's name.
        device: "cpu" or "cuda".
        precision: "float32", "tf32" or "float16" for the convolutions and products of a GPU.
    """

    def __init__(self, net: nn.Module, *, name: str, device: str, precision: str) -> None:
        self.name = name
        self._device = usable_device(device)
        self.device = self._device.type
        self._half = precision == "float16" and self.device == "cuda"
        _settle(tf32=precision == "tf32")
        self._net = net.eval().to(self._device)
        self.dim = int(self._forward(np.zeros((1, PROBE_FRAMES, MEL_BANDS), np.float32)).shape[1])

    def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Encoder.embed`."""
        try:
            embeddings: NDArray[np.float32] = self._forward(batch).float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise DeviceMemoryError(str(error)) from error
        return embeddings

    def _forward(self, batch: NDArray[np.float32]) -> torch.Tensor:
        with torch.inference_mode(), self._precision():
            # A copy, because shared arrays are not writable, which torch warns of.
            result = self._net(torch.tensor(batch).to(self._device))
        embeddings: torch.Tensor = result[-1] if isinstance(result, tuple | list) else result
        return embeddings

    def _precision(self) -> AbstractContextManager[object]:
        return torch.autocast("cuda", torch.float16) if self._half else nullcontext()


def usable_device(device: str) -> torch.device:
    """The device, or the CPU and a line that says so where torch has no GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        log.warning("torch %s can use no GPU here: the model runs on the CPU", torch.__version__)
        return torch.device("cpu")
    return torch.device(device)


def _settle(*, tf32: bool) -> None:
    """Make torch compute alike in every process: one thread, no timing of algorithms, no rounding unasked."""
    torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
