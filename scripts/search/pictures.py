"""A picture file of the user's, as index and server see it: decoded whole or refused, HEIC too, and upright.

Unlike in Chinese CLIP's training data, the turn that a camera notes in EXIF is applied: people look for what they see.
"""

from functools import cache

import pillow_heif
from PIL import Image, ImageOps

from scripts.cnclip.data.pictures import FORMATS, open_picture

HEIF = "HEIF"


def open_asset_picture(data: bytes) -> Image.Image:
    """Decode a picture file whole, and turn it as it is shown.

    Args:
        data: the file's bytes: JPEG, PNG, GIF (its first frame), BMP, WebP, TIFF or HEIC.

    Raises:
        SampleError: as `cnclip.data.pictures.open_picture`; a decompression bomb is `too_large`.
    """
    _know_heif()
    picture = open_picture(data, (*FORMATS, HEIF))
    if picture.getexif().get(0x0112, 1) == 1:  # orientation
        return picture
    return ImageOps.exif_transpose(picture)


@cache
def _know_heif() -> None:
    # One thread a picture: workers and the server's requests are many already.
    pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
