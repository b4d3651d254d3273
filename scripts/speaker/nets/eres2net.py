"""ERes2Net: Res2Net blocks, fused within a block and between stages (Chen et al. 2023, arXiv:2305.12838)."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.speaker.nets.embedding_head import EmbeddingHead
from scripts.speaker.nets.residual import Stride, as_picture, chain, shortcut

_REDUCTION = 4
_STAGES = 4


def clipped_relu(x: Tensor) -> Tensor:
    """The rectifier, level above 20."""
    return functional.hardtanh(x, 0.0, 20.0)


class AttentiveFusion(nn.Module):
    """Add two maps, weighed point by point with weights that sum to two.

    Args:
        channels: of each map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // _REDUCTION
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, narrow, 1),
            nn.BatchNorm2d(narrow),
            nn.SiLU(),
            nn.Conv2d(narrow, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two maps of (B, C, F, T) to one."""
        lean = torch.tanh(self.local_att(torch.cat([a, b], dim=1)))
        return a * (1 + lean) + b * (1 - lean)


class Res2Block(nn.Module):
    """A 3 x 3 convolution in parts between two of 1 x 1, beside a shortcut.

    Each part sees its share of the channels and what the part before made: added to it, or in the later stages fused
    with it by attention. The checkpoints name the parts differently in the two cases.

    Args:
        in_channels: channels in.
        planes: nominal channels; out are `planes * expansion`.
        stride: of the first convolution.
        base_width: channels of a part for every 64 planes.
        scale: number of parts.
        expansion: see `planes`.
        attentive: fuse the parts by attention.
    """

    def __init__(
        self,
        in_channels: int,
        planes: int,
        stride: Stride,
        *,
        base_width: int,
        scale: int,
        expansion: int,
        attentive: bool,
    ) -> None:
        super().__init__()
        width, out_channels = planes * base_width // 64, planes * expansion
        self.scale, self.attentive = scale, attentive
        self.conv1 = nn.Conv2d(in_channels, width * scale, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width * scale)
        n_later = scale
        if attentive:
            n_later = scale - 1
            self.conv2_1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bn2_1 = nn.BatchNorm2d(width)
            self.fuse_models = nn.ModuleList(AttentiveFusion(width) for _ in range(n_later))
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(n_later))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(n_later))
        self.conv3 = nn.Conv2d(width * scale, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, F, T) to (B, planes * expansion, F / stride, T / stride)."""
        parts = clipped_relu(self.bn1(self.conv1(x))).chunk(self.scale, dim=1)
        y = self.bn3(self.conv3(torch.cat(self._fused(parts), dim=1)))
        return clipped_relu(y + self.shortcut(x))

    def _fused(self, parts: Sequence[Tensor]) -> list[Tensor]:
        made: list[Tensor] = []
        if self.attentive:
            made = [clipped_relu(self.bn2_1(self.conv2_1(parts[0])))]
        for i, (conv, bn) in enumerate(zip(self.convs, self.bns, strict=True)):
            part = parts[len(made)]
            if self.attentive:
                part = self.fuse_models[i](made[-1], part)
            elif made:
                part = made[-1] + part
            made.append(clipped_relu(bn(conv(part))))
        return made


class ERes2Net(EmbeddingHead):
    """Four stages, the last three halving time and frequency, each fused with those before it.

    Args:
        m_channels: nominal channels of the first stage; each later one has twice as many.
        num_blocks: blocks a stage.
        baseWidth: see `Res2Block`; spelt as `model_args` spells it, like the next two.
        scale: see `Res2Block`.
        expansion: see `Res2Block`.
        feat_dim: F, mel bands.
        embed_dim: D.
        pooling_func: name of the pooling.
        two_emb_layer: see `EmbeddingHead`.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential
    layer1_downsample: nn.Conv2d
    layer2_downsample: nn.Conv2d
    layer3_downsample: nn.Conv2d
    fuse_mode12: AttentiveFusion
    fuse_mode123: AttentiveFusion
    fuse_mode1234: AttentiveFusion

    def __init__(
        self,
        *,
        m_channels: int,
        num_blocks: Sequence[int] = (3, 4, 6, 3),
        baseWidth: int = 32,  # noqa: N803
        scale: int = 2,
        expansion: int = 2,
        feat_dim: int = 80,
        embed_dim: int = 192,
        pooling_func: str = "TSTP",
        two_emb_layer: bool = False,
    ) -> None:
        pooled = 8 * m_channels * expansion * (feat_dim // 8)
        super().__init__(pooled, embed_dim=embed_dim, pooling_func=pooling_func, two_emb_layer=two_emb_layer)
        self.conv1 = nn.Conv2d(1, m_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(m_channels)
        block = partial(Res2Block, base_width=baseWidth, scale=scale, expansion=expansion)
        channels = m_channels
        for stage, n in enumerate(num_blocks):
            planes = m_channels * 2**stage
            of_stage = partial(block, attentive=stage >= 2)
            blocks = chain(of_stage, channels, planes, n, 2 if stage else 1, expansion=expansion)
            self.add_module(f"layer{stage + 1}", blocks)
            channels = planes * expansion
        for stage in range(1, _STAGES):
            wide = m_channels * expansion * 2**stage
            downsample = nn.Conv2d(wide // 2, wide, 3, stride=2, padding=1, bias=False)
            self.add_module(f"layer{stage}_downsample", downsample)
            self.add_module(f"fuse_mode{'1234'[: stage + 1]}", AttentiveFusion(wide))

    def forward(self, feats: Tensor) -> Tensor:
        """Features (B, T, F) to embeddings (B, D)."""
        x = torch.relu(self.bn1(self.conv1(as_picture(feats))))
        x = self.layer1(x)
        fused = x
        for layer, downsample, fuse in (
            (self.layer2, self.layer1_downsample, self.fuse_mode12),
            (self.layer3, self.layer2_downsample, self.fuse_mode123),
            (self.layer4, self.layer3_downsample, self.fuse_mode1234),
        ):
            x = layer(x)
            fused = fuse(x, downsample(fused))
        return self.head(fused)
