"""MARDM's masked autoregressive transformer: a DiT block (Peebles and Xie 2023, arXiv:2212.09748) over latents.

The text enters through the adaptive norms alone; attention sees every token that is not padding.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-6


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.key = nn.Linear(width, width)
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        query, key, value = (
            linear(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for linear in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        y: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return y


class _Mlp(nn.Module):
    def __init__(self, width: int, feed_forward: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, feed_forward)
        self.fc2 = nn.Linear(feed_forward, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(functional.gelu(self.fc1(x), approximate="tanh"))
        return y


class TransformerBlock(nn.Module):
    """Attention, then two linear maps; shift, scale and gate of both come from the condition.

    Args:
        width: of a token.
        feed_forward: between the two linear maps.
        heads: of the attention; divides `width`.
    """

    def __init__(self, width: int, feed_forward: int, heads: int) -> None:
        super().__init__()
        self.attn = _Attention(width, heads)
        self.mlp = _Mlp(width, feed_forward)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, condition: Tensor, seen: Tensor | None) -> Tensor:
        """Tokens (B, L, W) to tokens, given conditions (B or 1, 1, W) and a mask (B, 1, 1, L), True where seen."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(condition).chunk(6, dim=-1)
        x = x + gate1 * self.attn(modulate(plain_norm(x), shift1, scale1), seen)
        y: Tensor = x + gate2 * self.mlp(modulate(plain_norm(x), shift2, scale2))
        return y


def plain_norm(x: Tensor) -> Tensor:
    """Layer norm over the last axis that learnt neither scale nor shift."""
    return functional.layer_norm(x, x.shape[-1:], eps=EPS)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """What an adaptive norm does with its condition's shift and scale; 0 and 0 change nothing."""
    return x * (1 + scale) + shift


def position_code(length: int, width: int, device: torch.device) -> Tensor:
    """Sines and cosines of the positions, taking turns, (length, width) float32 (Vaswani et al. 2017, section 3.5).

    The checkpoints hold 5,000 rows of it as `position_enc.pe`.
    """
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000) / width))
    angles = torch.arange(length, device=device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
