"""CAM++: a densely connected TDNN with context-aware masking (Wang et al. 2023, arXiv:2303.00332)."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from scripts.speaker.nets.pooling import make_pooling
from scripts.speaker.nets.residual import as_picture, chain
from scripts.speaker.nets.resnet import BasicBlock

_HEAD_CHANNELS = 32
_SEGMENT = 100
_REDUCTION = 2
# Layers, kernel and dilation of the three dense blocks.
_BLOCKS = ((12, 3, 1), (24, 3, 2), (16, 3, 2))


class _Head(nn.Module):
    """A small ResNet that divides the frequencies by eight and keeps every frame."""

    def __init__(self) -> None:
        super().__init__()
        width, halve = _HEAD_CHANNELS, (2, 1)
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = chain(BasicBlock, width, width, 2, halve)
        self.layer2 = chain(BasicBlock, width, width, 2, halve)
        self.conv2 = nn.Conv2d(width, width, 3, stride=halve, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, F, T) to (B, 32 * F / 8, T)."""
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        x = torch.relu(self.bn2(self.conv2(x)))
        return x.flatten(1, 2)


class _ContextMask(nn.Module):
    """A convolution whose channels are masked by what utterance and segment of 100 frames are like."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.linear_local = nn.Conv1d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False)
        self.linear1 = nn.Conv1d(in_channels, in_channels // _REDUCTION, 1)
        self.linear2 = nn.Conv1d(in_channels // _REDUCTION, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        context = x.mean(-1, keepdim=True) + segment_means(x)
        mask = torch.sigmoid(self.linear2(torch.relu(self.linear1(context))))
        y: Tensor = self.linear_local(x) * mask
        return y


class _DenseLayer(nn.Module):
    """Its result stands behind its input, channel-wise."""

    def __init__(self, in_channels: int, growth: int, bottleneck: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _norm_relu(in_channels)
        self.linear1 = nn.Conv1d(in_channels, bottleneck, 1, bias=False)
        self.nonlinear2 = _norm_relu(bottleneck)
        self.cam_layer = _ContextMask(bottleneck, growth, kernel, dilation)

    def forward(self, x: Tensor) -> Tensor:
        new = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(x))))
        return torch.cat([x, new], dim=1)


class _Tdnn(nn.Module):
    """The first layer: five frames wide, every second frame."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_channels, out_channels, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _norm_relu(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.nonlinear(self.linear(x))
        return y


class _Transit(nn.Module):
    """Halves the channels after a dense block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.nonlinear = _norm_relu(channels)
        self.linear = nn.Conv1d(channels, channels // 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(self.nonlinear(x))
        return y


class _Embedding(nn.Module):
    """A linear layer, then a norm that learnt no scale."""

    def __init__(self, in_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(in_dim, embed_dim, 1, bias=False)
        self.nonlinear = nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(embed_dim, affine=False)))

    def forward(self, pooled: Tensor) -> Tensor:
        y: Tensor = self.nonlinear(self.linear(pooled.unsqueeze(-1)).squeeze(-1))
        return y


class CamPlusPlus(nn.Module):
    """CAM++.

    Args:
        feat_dim: F, mel bands.
        embed_dim: D.
        pooling_func: name of the pooling.
        growth_rate: channels that a dense layer adds.
        bn_size: width of a dense layer's bottleneck, in growth rates.
        init_channels: channels after the first layer.
    """

    def __init__(
        self,
        *,
        feat_dim: int = 80,
        embed_dim: int = 512,
        pooling_func: str = "TSTP",
        growth_rate: int = 32,
        bn_size: int = 4,
        init_channels: int = 128,
    ) -> None:
        super().__init__()
        self.head = _Head()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["tdnn"] = _Tdnn(_HEAD_CHANNELS * (feat_dim // 8), init_channels)
        channels = init_channels
        for i, (n_layers, kernel, dilation) in enumerate(_BLOCKS, start=1):
            dense = nn.Sequential()
            for j in range(n_layers):
                layer = _DenseLayer(channels, growth_rate, bn_size * growth_rate, kernel, dilation)
                dense.add_module(f"tdnnd{j + 1}", layer)
                channels += growth_rate
            layers[f"block{i}"] = dense
            layers[f"transit{i}"] = _Transit(channels)
            channels //= 2
        layers["out_nonlinear"] = _norm_relu(channels)
        self.pool = make_pooling(pooling_func, channels)
        layers["stats"] = self.pool  # checkpoints hold its weights under both names
        layers["dense"] = _Embedding(self.pool.out_dim, embed_dim)
        self.xvector = nn.Sequential(layers)

    def forward(self, feats: Tensor) -> Tensor:
        """Features (B, T, F) to embeddings (B, D)."""
        embedding: Tensor = self.xvector(self.head(as_picture(feats)))
        return embedding


def segment_means(x: Tensor) -> Tensor:
    """Each frame of (B, C, T) replaced by the mean of its segment of 100 frames; the last one may be shorter."""
    means = functional.avg_pool1d(x, _SEGMENT, stride=_SEGMENT, ceil_mode=True)
    spread = means.unsqueeze(-1).expand(-1, -1, -1, _SEGMENT).flatten(2)
    return spread[..., : x.shape[-1]]


def _norm_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU()))
