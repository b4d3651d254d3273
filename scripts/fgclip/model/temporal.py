"""Time: a transformer over a video's frames that begins as the identity, and the pooling of frames to one vector."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS = 8
_MLP = 4  # times the width


class TemporalModule(nn.Module):
    """Frames that have seen each other: `frames + gate * transformer(unit frames * sqrt(D) + positions)`.

    The gate begins at 0: an untrained module changes nothing, so a training begins with CLIP itself. Without positions
    a transformer could not tell a video from its frames in another order.

    Args:
        dim: D, length of the features; a multiple of 8.
        layers: of the transformer (pre-norm, 8 heads, MLP of 4 D, GELU).
        dropout: in training.
    """

    def __init__(self, dim: int, *, layers: int, dropout: float) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            dim, HEADS, _MLP * dim, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(dim), enable_nested_tensor=False)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """Features with the time around them.

        Args:
            frames: (B, T, D).
            frame_mask: (B, T) bool, False where a shorter video is padded; at least one frame of each video is True.

        Returns:
            (B, T, D); of no meaning where padded.
        """
        n_frames, dim = frames.shape[1:]
        placed = functional.normalize(frames, dim=-1) * math.sqrt(dim) + positions(n_frames, dim).to(frames.device)
        moved: Tensor = self.encoder(placed, src_key_padding_mask=~frame_mask)
        return frames + self.gate * moved


class AttentionPool(nn.Module):
    """One vector of a video: a weighted mean of its frames, which begins as the plain mean.

    Args:
        dim: D, length of the features.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, frames: Tensor, frame_mask: Tensor) -> Tensor:
        """The mean, (B, D), of frames (B, T, D) where `frame_mask`, (B, T) bool, is True."""
        scores = self.score(frames)[..., 0].masked_fill(~frame_mask, -torch.inf)
        pooled: Tensor = (scores.softmax(-1)[..., None] * frames).sum(1)
        return pooled


def masked_mean(frames: Tensor, frame_mask: Tensor) -> Tensor:
    """The mean, (B, D), of frames (B, T, D) where `frame_mask`, (B, T) bool, is True."""
    counted = frame_mask[..., None].to(frames.dtype)
    return (frames * counted).sum(1) / counted.sum(1)


def positions(n: int, dim: int) -> Tensor:
    """Sinusoidal code of the places 0 to n - 1, (n, dim) float32: sines, then cosines.

    Source: Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762), section 3.5.
    """
    rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000.0) / dim))
    angles = torch.arange(n)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[:, :dim]
