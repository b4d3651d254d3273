"""Random changes of an item, the same for all of its frames."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.training.regions import mirrored

_BRIGHTNESS, _CONTRAST, _TINT = 0.2, 0.2, 0.1  # the most that each moves from 1


def changed(
    frames: NDArray[np.uint8], boxes: NDArray[np.float32], how: Literal["flip", "colour"], random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """An item changed, and its boxes.

    Args:
        frames: (m, S, S, 3) uint8.
        boxes: (m, R, 4).
        how: `flip` mirrors every second item on average, boxes too; `colour` varies brightness, contrast and tint.
        random: of this item in this epoch.
    """
    if how == "flip":
        return (frames[:, :, ::-1], mirrored(boxes)) if random.random() < 0.5 else (frames, boxes)
    return recoloured(frames, random), boxes


def recoloured(frames: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Frames (m, S, S, 3) in another light: a table of 256 values for each colour."""
    brightness = 1 + random.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    contrast = 1 + random.uniform(-_CONTRAST, _CONTRAST)
    tint = 1 + random.uniform(-_TINT, _TINT, size=3)
    levels = (np.arange(256)[:, None] - 127.5) * contrast + 127.5
    table = np.clip(np.rint(levels * brightness * tint), 0, 255).astype(np.uint8)
    return np.stack([table[frames[..., colour], colour] for colour in range(3)], axis=-1)
