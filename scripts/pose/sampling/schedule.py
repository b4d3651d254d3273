"""Which token is sampled in which step: MARDM's masked generation, reduced to the tokens that survive it.

Meng et al., CVPR 2025 (masked autoregression with a cosine schedule, after Chang et al., MaskGIT, CVPR 2022): each step
samples all tokens that are masked in it, and the next one masks most of them again. A step's result is kept only for
the tokens that the next step no longer masks, and what a step reads of the others is the mask token: so a token need be
sampled only once, in the last step in which it is masked. The result is the same, for a fraction of the work.
"""

import math

import torch
from torch import Tensor

PADDING = -1


def masked_counts(lengths: Tensor, time_steps: int) -> Tensor:
    """How many tokens each step masks.

    Args:
        lengths: (B,) tokens of each sequence, from 1.
        time_steps: T, from 1.

    Returns:
        (T, B) int64, not ascending: the first step masks all, the last at least one.
    """
    # float32 as in MARDM: where cos is one half and the length odd, its rounding decides.
    share = torch.cos(torch.linspace(0, 1, time_steps) * math.pi * 0.5)
    return torch.round(share[:, None] * lengths).clamp(min=1).long()


def last_steps(order: Tensor, lengths: Tensor, time_steps: int) -> Tensor:
    """The last step in which each token is masked: the one that it survives from.

    Args:
        order: (B, L) float; in each sequence the token with the smallest number stays masked longest.
        lengths: (B,) tokens of each sequence, from 1 to L.
        time_steps: T.

    Returns:
        (B, L) int64, from 0 to T - 1; PADDING at the positions from a sequence's length on.
    """
    padding = torch.arange(order.shape[1]) >= lengths[:, None]
    ranks = order.masked_fill(padding, torch.inf).sort(dim=1, stable=True).indices.argsort(dim=1)
    masked = ranks < masked_counts(lengths, time_steps)[:, :, None]  # (T, B, L), each step within the one before
    return (masked.sum(dim=0) - 1).masked_fill(padding, PADDING)
