"""From an asset to its file: only files that lie in the indexed folders, wherever links lead."""

import os
import re
import stat
from pathlib import Path

from scripts.search.query.catalogue import Catalogue
from scripts.search.server.answers import Refusal

# By the ending; what a file holds is not looked at, nor may browsers (nosniff).
_MEDIA_TYPES = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".bmp": "image/bmp",
    ".gif": "image/gif", ".heic": "image/heic", ".heif": "image/heif", ".tif": "image/tiff", ".tiff": "image/tiff",
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska",
    ".webm": "video/webm", ".avi": "video/x-msvideo",
}  # fmt: skip


# Numbers of sizes that there are; Python would take minutes for one of a million digits.
_RANGES = re.compile(r"bytes=(?P<parts>\s*[0-9]{0,19}-[0-9]{0,19}\s*(?:,\s*[0-9]{0,19}-[0-9]{0,19}\s*){0,99})")


def real_file(catalogue: Catalogue, number: int) -> tuple[Path, os.stat_result]:
    """Where an asset's file lies, without links, and its status.

    Raises:
        Refusal: 404, it is gone, no regular file, or outside of its folder.
    """
    path = catalogue.path(number)
    folder = catalogue.folders[path.partition("/")[0]]
    gone = Refusal(404, "gone", f"{path}: the file is not there any more; index again")
    try:
        root = folder.resolve(strict=True)
        real = catalogue.file(number).resolve(strict=True)
        status = real.lstat()
    except (OSError, RuntimeError):  # a loop of links
        raise gone from None
    if not real.is_relative_to(root):
        raise Refusal(404, "outside", f"{path}: a link leads out of the folder {folder}; its file is not shown")
    if not stat.S_ISREG(status.st_mode):
        raise gone
    return real, status


def refuse_range(header: str | None, n_bytes: int) -> None:
    """Refuse a Range header that names no byte of a file.

    Raises:
        Refusal: 416, with the file's size, as clients ask for it.
    """
    if header is None:
        return
    outside = Refusal(416, "range", "no such bytes", {"Content-Range": f"bytes */{n_bytes}"})
    if not (found := _RANGES.fullmatch(header)):
        raise outside
    parts = [part.strip().split("-") for part in found["parts"].split(",")]
    if any((not first and not last) or (first and last and int(first) > int(last)) for first, last in parts):
        raise outside
    if not any(int(first) < n_bytes if first else int(last) > 0 for first, last in parts):
        raise outside


def media_type(path: Path) -> str:
    """The media type that a file's ending tells."""
    return _MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
