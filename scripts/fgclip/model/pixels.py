"""Frames as CLIP takes them: squashed to a square, never cropped, so that boxes stay where they are.

The decoder scales to the square (`read_frames(height=S, width=S)`); here bytes become numbers. Training, scores and the
baseline all go this one way.
"""

import torch
from torch import Tensor

from scripts.shared.clip_pixels import MEAN, STD


def pixel_values(frames: Tensor) -> Tensor:
    """Frames as the vision tower takes them, on the device where they are.

    Args:
        frames: (N, S, S, 3) uint8 RGB.

    Returns:
        (N, 3, S, S) float32: divided by 255, less the mean of CLIP's pictures, over their deviation.
    """
    mean, std = (torch.tensor(of).to(frames.device, non_blocking=True) for of in (MEAN, STD))
    return ((frames.float() / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()
