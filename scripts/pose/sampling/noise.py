"""The noise that a pose comes from: each caption has its own, so that nothing else decides what it becomes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scripts.pose.sampling.ddpm import N_STEPS


@dataclass(frozen=True)
class Noise:
    """The random numbers of one sequence, or of a batch with B in front; float32, on the CPU.

    Attributes:
        order: (L,) uniform from 0 to 1: the order in which its tokens are sampled, see `schedule.last_steps`.
        start: (L, C) standard normal: where the sampling of each token starts.
        steps: (50, L, C) standard normal: what DDPM adds on the way; None for SiT.
    """

    order: Tensor
    start: Tensor
    steps: Tensor | None


def caption_noise(seed: int, caption: str, repeat: int, n_tokens: int, n_channels: int, *, ddpm: bool) -> Noise:
    """The noise of a caption.

    Args:
        seed: of the dataset.
        caption: as the list has it.
        repeat: which of its poses, from 0.
        n_tokens: L.
        n_channels: C of a latent.
        ddpm: whether to draw `steps` too.

    Returns:
        The same for the same arguments on every machine, whatever was drawn before.
    """
    # NumPy's: torch's generator takes 32 bits of a seed, of which 10,000 captions share some with a chance of 1 in 100.
    random = np.random.Generator(np.random.PCG64(derived_seed(seed, repeat, caption)))
    order = random.random(n_tokens, np.float32)
    start = random.standard_normal((n_tokens, n_channels), np.float32)
    steps = random.standard_normal((N_STEPS, n_tokens, n_channels), np.float32) if ddpm else None
    return Noise(
        order=torch.from_numpy(order),
        start=torch.from_numpy(start),
        steps=None if steps is None else torch.from_numpy(steps),
    )


def derived_seed(*what: int | str) -> int:
    """A seed of 256 bits for what is drawn for this and nothing else; the caption comes last, since it may hold NUL."""
    key = "\0".join(map(str, what)).encode(errors="surrogatepass")
    return int.from_bytes(hashlib.sha256(key).digest())


def stack(noises: Sequence[Noise]) -> Noise:
    """A batch (B, ...) of the noise of sequences with one number of tokens."""
    steps = [noise.steps for noise in noises if noise.steps is not None]
    return Noise(
        order=torch.stack([noise.order for noise in noises]),
        start=torch.stack([noise.start for noise in noises]),
        steps=torch.stack(steps) if steps else None,
    )
