"""ResNet on a spectrogram (He et al. 2016, arXiv:1512.03385; for speakers: Zeinali et al. 2019, arXiv:1910.12592)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scripts.speaker.nets.embedding_head import EmbeddingHead
from scripts.speaker.nets.residual import Stride, TwoConvolutions, as_picture, chain, shortcut


class BasicBlock(TwoConvolutions):
    """Two 3 x 3 convolutions beside a shortcut; arguments as `TwoConvolutions`."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: Stride) -> None:
        super().__init__(in_channels, width, stride)
        self.shortcut = shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, T) to (B, width, F / stride, T / stride)."""
        return torch.relu(self.convolved(x) + self.shortcut(x))


class Bottleneck(nn.Module):
    """A 3 x 3 convolution between two of 1 x 1 that narrow and widen, beside a shortcut.

    Its arguments are those of `TwoConvolutions`.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: Stride) -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, T) to (B, 4 width, F / stride, T / stride)."""
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + self.shortcut(x))


Block = type[BasicBlock] | type[Bottleneck]

# Kind of block and blocks a stage, by the number of layers that names the net.
DEPTHS: dict[int, tuple[Block, tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
    221: (Bottleneck, (6, 16, 48, 3)),
    293: (Bottleneck, (10, 20, 64, 3)),
}


class ResNet(EmbeddingHead):
    """Four stages of blocks, the last three halving time and frequency.

    Args:
        block: kind of block.
        n_blocks: blocks a stage.
        feat_dim: F, mel bands.
        embed_dim: D.
        m_channels: channels of the first stage; each later one has twice as many.
        pooling_func: name of the pooling.
        two_emb_layer: see `EmbeddingHead`.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        block: Block,
        n_blocks: Sequence[int],
        *,
        feat_dim: int,
        embed_dim: int,
        m_channels: int = 32,
        pooling_func: str = "TSTP",
        two_emb_layer: bool = False,
    ) -> None:
        pooled = 8 * m_channels * block.expansion * (feat_dim // 8)
        super().__init__(pooled, embed_dim=embed_dim, pooling_func=pooling_func, two_emb_layer=two_emb_layer)
        self.conv1 = nn.Conv2d(1, m_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(m_channels)
        channels = m_channels
        for stage, n in enumerate(n_blocks):
            width = m_channels * 2**stage
            blocks = chain(block, channels, width, n, 2 if stage else 1, expansion=block.expansion)
            self.add_module(f"layer{stage + 1}", blocks)
            channels = width * block.expansion

    def forward(self, feats: Tensor) -> Tensor:
        """Features (B, T, F) to embeddings (B, D)."""
        x = as_picture(feats)
        x = torch.relu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.head(x)
