"""SimAM-ResNet with attentive statistics: blocks that weigh every point by how much it stands out.

SimAM: Yang et al., ICML 2021; for speakers: Qin et al. 2022, arXiv:2110.11894.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scripts.speaker.nets.pooling import ASP
from scripts.speaker.nets.residual import Stride, TwoConvolutions, as_picture, chain, shortcut

_LAMBDA = 1e-4
N_BLOCKS = {34: (3, 4, 6, 3), 100: (6, 16, 24, 3)}


def simam(x: Tensor) -> Tensor:
    """Weigh each point of (B, C, F, T) by the sigmoid of its inverse energy; no weights to learn."""
    deviation2 = (x - x.mean((2, 3), keepdim=True)) ** 2
    energy = deviation2 / (4 * (x.var((2, 3), keepdim=True) + _LAMBDA)) + 0.5
    return x * torch.sigmoid(energy)


class SimAMBlock(TwoConvolutions):
    """Two 3 x 3 convolutions, weighed by `simam`, beside a shortcut."""

    def __init__(self, in_channels: int, width: int, stride: Stride) -> None:
        super().__init__(in_channels, width, stride)
        self.downsample = shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, T) to (B, width, F / stride, T / stride)."""
        return torch.relu(simam(self.convolved(x)) + self.downsample(x))


class _Front(nn.Module):
    """First convolution and four stages, the last three halving time and frequency."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, in_planes: int, n_blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, in_planes, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_planes)
        channels = in_planes
        for stage, n in enumerate(n_blocks):
            width = in_planes * 2**stage
            self.add_module(f"layer{stage + 1}", chain(SimAMBlock, channels, width, n, 2 if stage else 1))
            channels = width

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x


class SimAMResNet(nn.Module):
    """SimAM-ResNet with ASP.

    Args:
        n_blocks: blocks a stage.
        in_planes: channels of the first stage; each later one has twice as many.
        embed_dim: D.
        acoustic_dim: F, mel bands.
    """

    def __init__(
        self, n_blocks: Sequence[int], *, in_planes: int = 64, embed_dim: int = 256, acoustic_dim: int = 80
    ) -> None:
        super().__init__()
        self.front = _Front(in_planes, n_blocks)
        self.pooling = ASP(8 * in_planes * (acoustic_dim // 8))
        self.bottleneck = nn.Linear(self.pooling.out_dim, embed_dim)

    def forward(self, feats: Tensor) -> Tensor:
        """Features (B, T, F) to embeddings (B, D)."""
        embedding: Tensor = self.bottleneck(self.pooling(self.front(as_picture(feats))))
        return embedding
