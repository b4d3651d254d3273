"""Pictures of uploads, and small ones of assets as JPEG."""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.cnclip.pixels import as_uint8
from scripts.search.pictures import open_asset_picture
from scripts.search.query.catalogue import Catalogue
from scripts.search.server.answers import Refusal
from scripts.search.server.asset_files import real_file
from scripts.search.server.guard import UPLOAD_BYTES
from scripts.search.server.kept_files import KeptFiles
from scripts.shared.errors import SampleError
from scripts.shared.video.frames import read_frames

EDGES = (160, 320, 640, 1280, 1600)  # pixels of the longer side: no others, or the disk would fill with all sizes
_PICTURE_BYTES = 300_000_000
_QUALITY = 82
_EARLIER_S = 0.002  # times are kept as float32
_PROBE = 64  # pixels


def upload_pixels(file: BinaryIO, size: int) -> NDArray[np.uint8]:
    """A picture that somebody sent, as a model takes it.

    Args:
        file: its bytes.
        size: S, edge of the model's pictures.

    Returns:
        (1, 3, S, S) uint8.

    Raises:
        Refusal: it has more bytes than an upload may.
        SampleError: it is none, damaged, or too large once decoded.
    """
    data = file.read(UPLOAD_BYTES + 1)
    if len(data) > UPLOAD_BYTES:
        raise Refusal(413, "too_large", f"the picture has more than {UPLOAD_BYTES // 1_000_000} MB")
    return as_uint8(open_asset_picture(data), size)[None]


def thumb(catalogue: Catalogue, number: int, kept: KeptFiles, *, edge: int, time_s: float | None) -> Path:
    """The file of a small picture of an asset.

    Args:
        catalogue: the index.
        number: of the asset.
        kept: where small pictures are kept.
        edge: longest side in pixels; the next one of `EDGES` is taken.
        time_s: of a video: the indexed frame nearest to it is shown; None for the first.

    Raises:
        Refusal: the file is gone, or outside of its folder.
        SampleError: it cannot be decoded.
        OSError: the small picture cannot be kept.
    """
    path, status = real_file(catalogue, number)
    edge = next((size for size in EDGES if size >= edge), EDGES[-1])
    shown = None
    if catalogue.is_video[number]:
        shown = round(float(catalogue.frame_time[catalogue.nearest_row(number, time_s)]), 3)

    def make(made: Path) -> None:
        if shown is None:
            if status.st_size > _PICTURE_BYTES:
                raise SampleError("too_large", f"{path.name}: more than {_PICTURE_BYTES // 1_000_000} MB")
            picture = open_asset_picture(path.read_bytes())
        else:
            picture = _frame(path, shown, _fitting(catalogue, number, path, edge))
        _as_shown(picture, edge).save(made, "JPEG", quality=_QUALITY, progressive=True)

    return kept.get((str(path), status.st_size, status.st_mtime_ns, edge, shown), make)


def _fitting(catalogue: Catalogue, number: int, path: Path, edge: int) -> tuple[int, int]:
    """Width and height of a video's frames, made smaller until they fit."""
    width, height = int(catalogue.width[number]), int(catalogue.height[number])
    if not width or not height:
        seen = read_frames(path, lambda _n: np.array([0]), height=_PROBE, width=_PROBE)
        width, height = seen.source_width, seen.source_height
    scale = min(1.0, edge / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _frame(path: Path, time_s: float, size: tuple[int, int]) -> Image.Image:
    begin = max(0.0, time_s - _EARLIER_S)
    # An interval may end a second after the video.
    decoded = read_frames(
        path, lambda _n: np.array([0]), height=size[1], width=size[0], interval=(begin, begin + 2 * _EARLIER_S)
    )
    return Image.fromarray(decoded.frames[0])


def _as_shown(picture: Image.Image, edge: int) -> Image.Image:
    """The picture in RGB, no side above `edge` pixels, what is transparent in white."""
    picture.thumbnail((edge, edge))
    if picture.mode in ("RGB", "L"):
        return picture
    clear = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
