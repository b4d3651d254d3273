"""RoIAlign to one cell, without torchvision, whose wheels need another build of PyTorch.

Source: Mask R-CNN (He et al. 2017, arXiv:1703.06870), with samples at half pixels and as many as the box is wide and
high. The samples of one cell form a grid and bilinear weights are a product, so that the mean over them is too:
`w_y . F . w_x`.
"""

import torch
from torch import Tensor


def roi_align(maps: Tensor, boxes: Tensor) -> Tensor:
    """Mean feature within each box.

    Args:
        maps: (N, C, H, W).
        boxes: (N, K, 4) x1, y1, x2, y2 as parts of the map's width and height; samples outside of the map count as 0.

    Returns:
        (N, K, C); zero for a box without width or height.
    """
    height, width = maps.shape[-2:]
    columns = axis_weights(boxes[..., 0] * width, boxes[..., 2] * width, width)
    rows = axis_weights(boxes[..., 1] * height, boxes[..., 3] * height, height)
    return torch.einsum("nchw,nkh,nkw->nkc", maps, rows.to(maps.dtype), columns.to(maps.dtype))


def axis_weights(low: Tensor, high: Tensor, size: int) -> Tensor:
    """How much each cell of one axis counts in the mean over an interval.

    Args:
        low: (...) where it begins, in cells.
        high: likewise, where it ends.
        size: cells of the axis.

    Returns:
        (..., size), ceil(high - low) samples at equal distances, each spread over the two cells beside it.
    """
    extent = high - low
    n_samples = extent.detach().clamp(min=0).ceil()
    # Of as many places as the largest box has, a smaller one counts its first.
    most = max(int(n_samples.max()), 1) if n_samples.numel() else 1
    numbers = torch.arange(most, device=low.device, dtype=low.dtype)
    step = extent / n_samples.clamp(min=1)
    places = (low - 0.5)[..., None] + (numbers + 0.5) * step[..., None]
    counted = (numbers < n_samples[..., None]) & (places >= -1) & (places <= size)
    cells = torch.arange(size, device=low.device, dtype=low.dtype)
    tents = (1 - (places.clamp(0, size - 1)[..., None] - cells).abs()).clamp(min=0)
    return (tents * counted[..., None]).sum(-2) / n_samples.clamp(min=1)[..., None]
