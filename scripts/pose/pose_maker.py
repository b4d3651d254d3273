"""A model on its device: text vectors and noise in, motions out.

Bytes: a motion depends on its own text vector and noise alone, since all goes through the nets in micro-batches of one
shape; see `sampling.generation`. Where memory runs out they are smaller, which may round otherwise.
"""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from scripts.pose.model_files.model_file import PoseModel
from scripts.pose.sampling.generation import LatentGenerator, Sampling
from scripts.pose.sampling.noise import Noise, derived_seed
from scripts.shared.errors import JobError, SampleError

log = logging.getLogger(__name__)


class PoseMaker:
    """Makes the motions of any number of captions, in micro-batches of one shape.

    Args:
        model: on its device.
        sampling: how latents are sampled.
        device: "cpu" or "cuda".
        precision: see `LatentGenerator`; what is decoded is float32 always.
        rows: sequences of a micro-batch, if not those that the kind of device has.
    """

    def __init__(
        self,
        model: PoseModel,
        sampling: Sampling,
        *,
        device: str = "cpu",
        precision: str = "fp32",
        rows: int | None = None,
    ) -> None:
        self.device = device
        self.text_dim = model.mardm.sizes.text
        self.n_channels = model.mardm.sizes.latent
        self._generator = LatentGenerator(model.mardm, sampling, device=device, precision=precision, rows=rows)
        self.full_rows = self._generator.rows
        self._autoencoder = model.autoencoder.eval()
        # One caption at a time, and on the CPU everywhere, so that lengths do not depend on the device.
        self._length_estimator = model.length_estimator and model.length_estimator.cpu().eval()
        self._mean, self._std = model.mean, model.std
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True

    @property
    def rows(self) -> int:
        """Sequences of a micro-batch: `full_rows`, or fewer once memory ran out."""
        return self._generator.rows

    def n_tokens(self, text: NDArray[np.float32], *, seed: int, caption: str, repeat: int) -> int:
        """Draw the length of a motion as the length estimator has it, at least 1 token.

        Args:
            text: (D,) the caption's vector.
            seed: of the dataset.
            caption: as the list has it.
            repeat: which of its poses, from 0.

        Raises:
            SampleError: `no_length_estimator`: the model has none.
        """
        if self._length_estimator is None:
            raise SampleError(
                "no_length_estimator",
                f"{caption[:60]!r}: its length is left to the model, which has no length estimator; write the frames "
                "behind '#' in the list, or nothing",
            )
        with torch.inference_mode():
            logits = self._length_estimator(torch.from_numpy(text)[None])
        seed_63_bits = derived_seed("length", seed, repeat, caption) >> 193
        generator = torch.Generator().manual_seed(seed_63_bits)
        return max(1, int(draw_tokens(logits, generator)))

    def motions(self, text: NDArray[np.float32], noise: Noise) -> NDArray[np.float32]:
        """Make motions; a batch that does not fit the device's memory is halved, and so are all after it.

        Args:
            text: (n, D) text vectors.
            noise: of n sequences of one number of tokens L.

        Returns:
            (n, 4 L, F) float32 features, no longer normalised; NaN or infinite where the model gave that.

        Raises:
            JobError: the device answers no more, or has no memory for a single motion.
        """
        while True:
            try:
                return self._motions(text, noise)
            except RuntimeError as error:
                said = self._why_too_large(error)
            # Here, since the error would keep what the failed batch holds of the memory.
            log.warning("%d motions of %d tokens are too many at once (%s)", self.rows, noise.order.shape[1], said)
            self._generator.halve()

    def _motions(self, text: NDArray[np.float32], noise: Noise) -> NDArray[np.float32]:
        with torch.inference_mode():
            normalised = self._decode(self._generator(torch.from_numpy(text), noise)).numpy()
        # In float64 where mean and deviation are, as KIT's.
        features: NDArray[np.float32] = (normalised * self._std + self._mean).astype(np.float32)
        return features

    def _decode(self, latents: Tensor) -> Tensor:
        """Latents (n, C, L) to normalised features (n, 4 L, F), both on the CPU."""
        parts = []
        for part in torch.split(latents, self.rows):
            filled = nn.functional.pad(part, (0, 0, 0, 0, 0, self.rows - len(part)))
            parts.append(self._autoencoder.decode(filled.to(self.device))[: len(part)].cpu())
        return torch.cat(parts)

    def _why_too_large(self, error: RuntimeError) -> str:
        """What the device said when a micro-batch did not fit; any other error is raised."""
        said = next(iter(str(error).splitlines()), type(error).__name__)
        no_memory = isinstance(error, torch.OutOfMemoryError) or "ALLOC_FAILED" in said  # the latter by cuBLAS
        if no_memory and self.rows > 1:
            return said
        if not no_memory and self.device == "cpu":
            raise error
        raise JobError(
            f"the model computes no more on {self.device}: {said}; run again when the device is well and has free "
            "memory: what is finished is kept"
        )


def draw_tokens(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Draw numbers of tokens, (B,) int64 from 0, from logits (B, K), as `torch.distributions.Categorical` does."""
    return torch.multinomial(logits.softmax(dim=-1), 1, replacement=True, generator=generator)[:, 0]
