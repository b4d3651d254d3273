"""One picture file, decoded whole or refused with the reason.

Nothing is resized or made RGB here: upstream resizes a picture in its own mode and makes it RGB afterwards, which for
palettes, bilevel pictures and transparency gives other pixels than the other way round. So a CMYK picture stays CMYK,
a palette a palette. The exception is 16-bit grey: Pillow cuts every value above 255 when it makes such a picture RGB,
so that upstream trains on white squares; here it becomes 8-bit grey (its high byte). The turn that a camera notes in
EXIF is not applied, as upstream does not.
"""

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from scripts.shared.errors import SampleError

# Pillow's own limit for pictures that are not suspicious: decoded, they take 268 MB at most as RGB.
MAX_PIXELS = 89_478_485
# Formats whose decoders are parts of Pillow; an EPS would run Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")

# Pictures of that size are refused here, which says more than a warning.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_AS_THEY_ARE = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"}
_SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N"}
# What Pillow's decoders raise on damaged files, besides the OSError that they should.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError),
    *(RuntimeError, AssertionError, struct.error, zlib.error),
)


@dataclass(frozen=True)
class PictureFacts:
    """What a check notes of a good picture.

    Attributes:
        sha1: of the file's bytes, hexadecimal: equal files are found by it.
        width: pixels.
        height: pixels.
        format: as Pillow names it, such as `JPEG`.
        mode: as stored, in Pillow's words, such as `RGB`, `CMYK` or `I;16`.
        animated: whether more frames follow the first, which is the one that is used.
    """

    sha1: str
    width: int
    height: int
    format: str
    mode: str
    animated: bool


def open_picture(data: bytes, formats: Sequence[str] = FORMATS) -> Image.Image:
    """Decode a picture file whole.

    Args:
        data: the file's bytes: JPEG, PNG, GIF, BMP, WebP or TIFF.
        formats: that are tried, as Pillow names them; others than these must be known to it.

    Returns:
        The picture, of an animation its first frame, in its own mode; 16-bit grey as 8-bit grey (`L`).

    Raises:
        SampleError: `no_picture` (nothing that is one of these), `too_large` (more than `MAX_PIXELS`; found in the
            header, before anything is decoded), `truncated`, `damaged` or `unsupported_mode`.
    """
    picture = _opened(data, formats)
    _decode(picture)
    return _of_eight_bits(picture)


def thumbnail(data: bytes, longest: int) -> Image.Image:
    """A picture to be shown: RGB, no edge above `longest` pixels, what is transparent in white.

    Raises:
        SampleError: as `open_picture`.
    """
    picture = open_picture(data)
    picture.thumbnail((longest, longest))
    small = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")


def picture_facts(data: bytes) -> PictureFacts:
    """Decode a picture whole and tell about it.

    Raises:
        SampleError: as `open_picture`.
    """
    picture = _opened(data)
    mode, (width, height) = picture.mode, picture.size
    _decode(picture)
    _of_eight_bits(picture)
    try:
        animated = bool(getattr(picture, "is_animated", False))
    except _DAMAGE:
        animated = True  # what follows the first frame is damaged, and not used
    sha1 = hashlib.sha1(data).hexdigest()  # noqa: S324 - tells equal files from others, guards nothing
    return PictureFacts(sha1, width, height, str(picture.format), mode, animated)


def _opened(data: bytes, formats: Sequence[str] = FORMATS) -> Image.Image:
    """Read a picture's header."""
    if not data:
        raise SampleError("empty_picture", "there is no picture after the id")
    try:
        picture = Image.open(io.BytesIO(data), formats=tuple(formats))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SampleError("too_large", f"{error}") from None
    except UnidentifiedImageError:
        raise SampleError("no_picture", f"not a {', '.join(formats[:-1])} or {formats[-1]} file") from None
    except _DAMAGE as error:
        raise _refusal(error, "the header cannot be read") from None
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise SampleError(
            "too_large", f"{width} x {height} pixels, more than {MAX_PIXELS:,} together: make the picture smaller"
        )
    return picture


def _decode(picture: Image.Image) -> None:
    try:
        picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SampleError("too_large", f"{error}") from None
    except _DAMAGE as error:
        raise _refusal(error, "the picture cannot be decoded to its end") from None


def _refusal(error: BaseException, what: str) -> SampleError:
    words = str(error)[:160] or type(error).__name__
    kind = "truncated" if "truncated" in words.lower() or isinstance(error, EOFError) else "damaged"
    return SampleError(kind, f"{what}: {words}")


def _of_eight_bits(picture: Image.Image) -> Image.Image:
    if picture.mode in _AS_THEY_ARE:
        return picture
    if picture.mode == "La":  # grey of some TIFF files, made darker where it is transparent: Pillow makes no RGB of it
        return picture.convert("LA")
    values = np.asarray(picture)
    if picture.mode in _SIXTEEN_BIT or (picture.mode == "I" and values.min() >= 0 and values.max() < 1 << 16):
        return Image.fromarray((values >> 8).astype(np.uint8))
    raise SampleError("unsupported_mode", f"pixels of kind {picture.mode!r}; save the picture with 8 bits a channel")
