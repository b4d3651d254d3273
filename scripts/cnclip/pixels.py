"""Pictures as Chinese CLIP takes them: squashed to a square, never cropped.

Source: the evaluation transform of Chinese CLIP; torchvision's steps for a PIL picture, done by Pillow and NumPy.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.shared.clip_pixels import MEAN, STD

_MEAN = np.array(MEAN, dtype=np.float32)[:, None, None]
_STD = np.array(STD, dtype=np.float32)[:, None, None]


def as_uint8(picture: Image.Image, size: int) -> NDArray[np.uint8]:
    """A picture as bytes: a quarter of the memory of `pixel_values`, for what is normalised where the model runs.

    Args:
        picture: of any mode that Pillow scales and converts.
        size: S, edge of the model's pictures.

    Returns:
        (3, S, S) uint8, RGB.
    """
    # Scaled in its own mode and made RGB afterwards, as upstream does: transparency and palettes come out otherwise
    # the other way round.
    square = picture.resize((size, size), Image.Resampling.BICUBIC).convert("RGB")
    return np.ascontiguousarray(np.asarray(square, dtype=np.uint8).transpose(2, 0, 1))


def normalised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Bytes as a model takes them.

    Args:
        pixels: (..., 3, S, S) uint8, RGB.

    Returns:
        The same shape, float32: divided by 255, less CLIP's mean, over its deviation.
    """
    scaled: NDArray[np.float32] = pixels.astype(np.float32) / np.float32(255)
    return (scaled - _MEAN) / _STD


def pixel_values(picture: Image.Image, size: int) -> NDArray[np.float32]:
    """A picture as a model takes it, (3, S, S) float32; see `as_uint8` and `normalised`."""
    return normalised(as_uint8(picture, size))
