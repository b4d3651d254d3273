"""ECAPA-TDNN (Desplanques et al. 2020, arXiv:2005.07143)."""

import torch
from torch import Tensor, nn

from scripts.speaker.nets.pooling import ASTP, make_pooling

_SCALE = 8
_SQUEEZED = 128
_AGGREGATED = 1536


class _ConvReluBn(nn.Module):
    """Convolution, then the rectifier, then the norm, in this order."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel, padding=kernel // 2)
        self.bn = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(torch.relu(self.conv(x)))
        return y


class _Res2Conv(nn.Module):
    """A dilated convolution in eight parts: each sees its part of the channels and what the part before made."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        width = channels // _SCALE
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(_SCALE - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(_SCALE - 1))

    def forward(self, x: Tensor) -> Tensor:
        *parts, untouched = x.chunk(_SCALE, dim=1)
        made: list[Tensor] = []
        for part, conv, bn in zip(parts, self.convs, self.bns, strict=True):
            made.append(bn(torch.relu(conv(made[-1] + part if made else part))))
        return torch.cat([*made, untouched], dim=1)


class _SqueezeExcite(nn.Module):
    """Scale each channel by what the mean over time says of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, _SQUEEZED)
        self.linear2 = nn.Linear(_SQUEEZED, channels)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.linear2(torch.relu(self.linear1(x.mean(2)))))
        return x * scale.unsqueeze(2)


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.se_res2block = nn.Sequential(
            _ConvReluBn(channels, channels, 1),
            _Res2Conv(channels, dilation),
            _ConvReluBn(channels, channels, 1),
            _SqueezeExcite(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.se_res2block(x)
        return y


class EcapaTdnn(nn.Module):
    """ECAPA-TDNN.

    Args:
        channels: width of the blocks; divisible by eight.
        feat_dim: F, mel bands.
        embed_dim: D.
        pooling_func: name of the pooling.
        global_context_att: the attention of ASTP also sees the whole utterance.
        emb_bn: a norm follows the embedding.
    """

    def __init__(
        self,
        *,
        channels: int = 512,
        feat_dim: int = 80,
        embed_dim: int = 192,
        pooling_func: str = "ASTP",
        global_context_att: bool = False,
        emb_bn: bool = False,
    ) -> None:
        super().__init__()
        self.layer1 = _ConvReluBn(feat_dim, channels, 5)
        self.layer2 = _Block(channels, dilation=2)
        self.layer3 = _Block(channels, dilation=3)
        self.layer4 = _Block(channels, dilation=4)
        self.conv = nn.Conv1d(3 * channels, _AGGREGATED, 1)
        attends = pooling_func == "ASTP"
        self.pool = (
            ASTP(_AGGREGATED, global_context_att=global_context_att)
            if attends
            else make_pooling(pooling_func, _AGGREGATED)
        )
        self.bn = nn.BatchNorm1d(self.pool.out_dim)
        self.linear = nn.Linear(self.pool.out_dim, embed_dim)
        self.bn2: nn.Module = nn.BatchNorm1d(embed_dim) if emb_bn else nn.Identity()

    def forward(self, feats: Tensor) -> Tensor:
        """Features (B, T, F) to embeddings (B, D)."""
        first = self.layer1(feats.transpose(1, 2))
        second = self.layer2(first)
        third = self.layer3(second)
        fourth = self.layer4(third)
        frames = torch.relu(self.conv(torch.cat([second, third, fourth], dim=1)))
        embedding: Tensor = self.bn2(self.linear(self.bn(self.pool(frames))))
        return embedding
