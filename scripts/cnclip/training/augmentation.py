"""Random changes of training pictures: a crop, then two mild changes of colour or shape.

In the spirit of AutoAugment (Cubuk et al. 2019), with what a caption speaks of left alone: no mirroring (left and
right), no turning of hues, no inverting (colours). Every draw follows from the seed, the epoch and the pair.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

_SCALE = (0.9, 1.0)  # part of the picture's area that is kept
_RATIO = (3 / 4, 4 / 3)  # width to height of the crop, against the picture's
_TRIES = 10
_N_CHANGES = 2
_P_CHANGE = 0.5
_GREY = (124, 116, 104)  # CLIP's mean colour, for what a shifted picture leaves bare
_STREAM = 7  # keeps these draws apart from those of the batches


def augmented(picture: Image.Image, size: int, *, seed: int, epoch: int, pair: int) -> Image.Image:
    """A changed picture.

    Args:
        picture: in any mode.
        size: of the result, which is square.
        seed: of the run.
        epoch: from 0.
        pair: number of the pair, so that another order of batches changes nothing.

    Returns:
        An RGB picture of size x size.
    """
    random = np.random.default_rng([_STREAM, seed, epoch, pair])
    picture = picture if picture.mode == "RGB" else picture.convert("RGB")
    box = crop_box(picture.size, random)
    changed = picture.resize((size, size), Image.Resampling.BICUBIC, box=box)
    for kind in random.choice(len(_CHANGES), _N_CHANGES, replace=False):
        strength = random.uniform(-1, 1)
        if random.random() < _P_CHANGE:
            changed = _CHANGES[kind](changed, strength)
    return changed


def crop_box(size: tuple[int, int], random: np.random.Generator) -> tuple[int, int, int, int]:
    """A random part of a picture of this width and height, as left, upper, right, lower; all of it where none fits.

    Source: the random resized crop of Szegedy et al. 2015 (Inception).
    """
    width, height = size
    for _ in range(_TRIES):
        area = width * height * random.uniform(*_SCALE)
        ratio = width / height * math.exp(random.uniform(math.log(_RATIO[0]), math.log(_RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, upper = int(random.integers(width - w + 1)), int(random.integers(height - h + 1))
            return left, upper, left + w, upper + h
    return 0, 0, width, height


def _brightness(picture: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1 + 0.3 * strength)


def _contrast(picture: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Contrast(picture).enhance(1 + 0.3 * strength)


def _colour(picture: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Color(picture).enhance(1 + 0.3 * strength)


def _sharpness(picture: Image.Image, strength: float) -> Image.Image:
    return ImageEnhance.Sharpness(picture).enhance(1 + 0.8 * strength)


def _levels(picture: Image.Image, strength: float) -> Image.Image:
    return ImageOps.autocontrast(picture, cutoff=1 + strength)


def _turned(picture: Image.Image, strength: float) -> Image.Image:
    return picture.rotate(10 * strength, Image.Resampling.BICUBIC, fillcolor=_GREY)


def _sheared(picture: Image.Image, strength: float) -> Image.Image:
    tilt = 0.1 * strength
    return _moved(picture, (1, tilt, -tilt * picture.height / 2, 0, 1, 0))


def _sheared_down(picture: Image.Image, strength: float) -> Image.Image:
    tilt = 0.1 * strength
    return _moved(picture, (1, 0, 0, tilt, 1, -tilt * picture.width / 2))


def _shifted(picture: Image.Image, strength: float) -> Image.Image:
    return _moved(picture, (1, 0, 0.1 * strength * picture.width, 0, 1, 0))


def _shifted_down(picture: Image.Image, strength: float) -> Image.Image:
    return _moved(picture, (1, 0, 0, 0, 1, 0.1 * strength * picture.height))


def _moved(picture: Image.Image, affine: tuple[float, ...]) -> Image.Image:
    return picture.transform(picture.size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC, fillcolor=_GREY)


_CHANGES: tuple[Callable[[Image.Image, float], Image.Image], ...] = (
    _brightness,
    _contrast,
    _colour,
    _sharpness,
    _levels,
    _turned,
    _sheared,
    _sheared_down,
    _shifted,
    _shifted_down,
)
