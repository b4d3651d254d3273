"""What the residual nets on spectrograms share."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Stride = int | tuple[int, int]  # one number, or (frequency, time)


def as_picture(feats: Tensor) -> Tensor:
    """Features (B, T, F) as a picture of one channel, (B, 1, F, T)."""
    return feats.transpose(1, 2).unsqueeze(1)


def shortcut(in_channels: int, out_channels: int, stride: Stride) -> nn.Module:
    """What is added to a block's result: its input, brought to the result's shape where that differs."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class TwoConvolutions(nn.Module):
    """What a block of two 3 x 3 convolutions computes beside its shortcut, with weights under the names of the field.

    Args:
        in_channels: channels in.
        width: channels of the convolutions, and out.
        stride: of the first convolution, one number or (frequency, time).
    """

    def __init__(self, in_channels: int, width: int, stride: Stride) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def convolved(self, x: Tensor) -> Tensor:
        """(B, C, F, T) to (B, width, F / stride, T / stride)."""
        y: Tensor = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return y


def chain(
    block: Callable[[int, int, Stride], nn.Module],
    in_channels: int,
    width: int,
    n: int,
    stride: Stride,
    *,
    expansion: int = 1,
) -> nn.Sequential:
    """Chain `n` blocks; only the first has a stride and other channels in than out.

    Args:
        block: makes a block of channels in, width and stride; `width * expansion` channels come out.
        in_channels: channels into the first.
        width: of each.
        n: how many.
        stride: of the first.
        expansion: see `block`.
    """
    rest = [block(width * expansion, width, 1) for _ in range(n - 1)]
    return nn.Sequential(block(in_channels, width, stride), *rest)
