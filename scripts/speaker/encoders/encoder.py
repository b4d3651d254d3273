"""What every runtime offers: batches of features in, embeddings out."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MEL_BANDS = 80  # F of WeSpeaker's models; the encoders of packages have their own
PROBE_FRAMES = 200  # an utterance of silence that a model is tried on when it is loaded


class DeviceMemoryError(Exception):
    """A batch did not fit the device's memory; a smaller one may. Nothing else is wrong."""


class Encoder(Protocol):
    """A speaker model that is loaded.

    Attributes:
        name: the model's name, as pickles give it.
        dim: D, length of its embeddings.
        device: where it really runs: "cpu" or "cuda".
    """

    name: str
    dim: int
    device: str

    def embed(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embed utterances of one length.

        Args:
            batch: (B, T, F) float32 features, no row padded.

        Returns:
            (B, D) float32 embeddings as the model gives them; no row depends on the others, but for rounding.

        Raises:
            DeviceMemoryError: the batch is too large for the device.
        """
        ...
