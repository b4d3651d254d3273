"""Resemblyzer's speaker encoder, with the weights that its package brings (GE2E, Wan et al. 2018, arXiv:1710.10467)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scripts.shared.errors import ConfigError
from scripts.speaker.encoders.model_folder import packaged_weights
from scripts.speaker.encoders.native import read_weights
from scripts.speaker.encoders.torch_encoder import usable_device

MEL_BANDS = 40
PARTIAL_FRAMES = 160
_WIDTH = 256
_PARTIALS_A_SECOND = 1.3
_FRAMES_A_SECOND = 100
_STEP = round(_FRAMES_A_SECOND / _PARTIALS_A_SECOND)
_MIN_COVERAGE = 0.75
_PARTIALS_A_RUN = 64


class _LstmEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(MEL_BANDS, _WIDTH, num_layers=3, batch_first=True)
        self.linear = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, partials: Tensor) -> Tensor:
        """(P, 160, 40) to unit vectors (P, 256)."""
        _, (hidden, _) = self.lstm(partials)
        raw = torch.relu(self.linear(hidden[-1]))
        unit: Tensor = raw / torch.linalg.vector_norm(raw, dim=1, keepdim=True)
        return unit


class ResemblyzerEncoder:
    """Features (B, T, 40) to unit vectors (B, 256): the mean over overlapping partial utterances of 1.6 s.

    Args:
        name: the model's name.
        device: "cpu" or "cuda".

    Raises:
        ConfigError: the package is not installed, or its weights are not what they were.
    """

    def __init__(self, *, name: str, device: str = "cpu") -> None:
        self.name, self.dim = name, _WIDTH
        self._device = usable_device(device)
        self.device = self._device.type
        torch.set_num_threads(1)
        weights = packaged_weights("resemblyzer")
        net = _LstmEncoder()
        # The training's two numbers for similarities are left out.
        tensors = read_weights(weights, table="model_state")
        try:
            net.load_state_dict({key: tensors[key] for key in net.state_dict()})
        except (KeyError, RuntimeError) as error:
            raise ConfigError(f"{weights}: not the weights of Resemblyzer's encoder: {error}") from error
        self._net = net.eval().to(self._device)

    def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See `Encoder.embed`."""
        return np.stack([self._embed_one(features) for features in batch])

    def _embed_one(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        starts = partial_starts(len(features))
        # Silence after the end has no power in any band: these features are no logarithms.
        short = max(0, starts[-1] + PARTIAL_FRAMES - len(features))
        padded = np.pad(features, ((0, short), (0, 0)))
        partials = torch.from_numpy(np.stack([padded[start : start + PARTIAL_FRAMES] for start in starts]))
        with torch.inference_mode():
            runs = [self._net(run.to(self._device)).cpu() for run in torch.split(partials, _PARTIALS_A_RUN)]
        mean: NDArray[np.float32] = torch.cat(runs).numpy().mean(axis=0)
        return mean / np.linalg.norm(mean)


def partial_starts(n_frames: int) -> list[int]:
    """First frames of the partial utterances of 160 frames, 1.3 a second.

    Args:
        n_frames: of the utterance, one every 10 ms and one more at its end.

    Returns:
        Ascending, at least one; the last partial reaches over the end by a quarter at most, unless it is the only one.
    """
    starts = list(range(0, max(1, n_frames - PARTIAL_FRAMES + _STEP + 1), _STEP))
    covered = n_frames - 1 - starts[-1]
    if len(starts) > 1 and covered < _MIN_COVERAGE * PARTIAL_FRAMES:
        starts.pop()
    return starts
