"""What the residual nets on spectrograms share."""

from collections.abc import Callable

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
