"""The DDPM sampler of MARDM: 50 steps from noise to a sample, with a net that predicts the noise.

Ho et al. 2020, arXiv:2006.11239; cosine betas of Nichol and Dhariwal 2021, arXiv:2102.09672; the variance is the
posterior's ("fixed small"), and the predicted sample is not clipped.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from scripts.pose.nets.diff_mlp import Field

N_STEPS = 50
_OFFSET = 0.008
_MAX_BETA = 0.999


@dataclass(frozen=True)
class Tables:
    """What the sampler needs to know of each time, all (50,) float64.

    Attributes:
        betas: variance of the noise that a step adds.
        alphas_cumprod: share of the sample's variance that is left.
        sqrt_recip: factor of x in the predicted sample.
        sqrt_recipm1: factor of the predicted noise in it.
        mean_of_sample: factor of the predicted sample in the mean of the step before.
        mean_of_x: factor of x in it.
        log_variance: of the step before; that of time 0 is taken from time 1, where it is not zero.
    """

    betas: NDArray[np.float64]
    alphas_cumprod: NDArray[np.float64]
    sqrt_recip: NDArray[np.float64]
    sqrt_recipm1: NDArray[np.float64]
    mean_of_sample: NDArray[np.float64]
    mean_of_x: NDArray[np.float64]
    log_variance: NDArray[np.float64]


@cache
def tables() -> Tables:
    """The tables of 50 steps."""
    left = [math.cos((t / N_STEPS + _OFFSET) / (1 + _OFFSET) * math.pi / 2) ** 2 for t in range(N_STEPS + 1)]
    betas = np.array([min(1 - left[t + 1] / left[t], _MAX_BETA) for t in range(N_STEPS)])
    alphas_cumprod = np.cumprod(1 - betas)
    before = np.append(1.0, alphas_cumprod[:-1])
    variance = betas * (1 - before) / (1 - alphas_cumprod)
    return Tables(
        betas=betas,
        alphas_cumprod=alphas_cumprod,
        sqrt_recip=np.sqrt(1 / alphas_cumprod),
        sqrt_recipm1=np.sqrt(1 / alphas_cumprod - 1),
        mean_of_sample=betas * np.sqrt(before) / (1 - alphas_cumprod),
        mean_of_x=(1 - before) * np.sqrt(1 - betas) / (1 - alphas_cumprod),
        log_variance=np.log(np.append(variance[1], variance[1:])),
    )


def sample(net: Field, x: Tensor, step_noise: Tensor) -> Tensor:
    """Draw samples; each row goes its own way.

    Args:
        net: from rows (N, C) and a time, a tensor without dimensions that holds 49 to 0, to the noise in them (N, C).
        x: (N, C) float32 of a standard normal distribution.
        step_noise: (N, 50, C), likewise; the first is added at time 49, the last is not used.

    Returns:
        (N, C) float32.
    """
    table = tables()
    # In float32, as a table on the device would hold them.
    sqrt_recip, sqrt_recipm1, mean_of_sample, mean_of_x, log_variance = (
        column.astype(np.float32)
        for column in (table.sqrt_recip, table.sqrt_recipm1, table.mean_of_sample, table.mean_of_x, table.log_variance)
    )
    for number, t in enumerate(reversed(range(N_STEPS))):
        predicted = float(sqrt_recip[t]) * x - float(sqrt_recipm1[t]) * net(x, x.new_full((), t))
        x = float(mean_of_sample[t]) * predicted + float(mean_of_x[t]) * x
        if t > 0:
            x = x + float(np.exp(np.float32(0.5) * log_variance[t])) * step_noise[:, number]
    return x
