"""Clips of videos, exact to the frame."""

from pathlib import Path

from scripts.search.query.catalogue import Catalogue
from scripts.search.server.asset_files import real_file
from scripts.search.server.kept_files import KeptFiles
from scripts.shared.video.cut import cut_interval

MAX_CLIP_S = 60.0


def cut(catalogue: Catalogue, number: int, kept: KeptFiles, *, start: float, end: float) -> Path:
    """The file of a clip: the frames with start <= t < end, copied where that gives just these, else encoded again.

    Raises:
        Refusal: the file is gone, or outside of its folder.
        SampleError: there are no such frames, or they cannot be decoded.
        JobError: there is no ffmpeg.
        OSError: the clip cannot be kept.
    """
    path, status = real_file(catalogue, number)
    start, end = round(start, 3), round(end, 3)
    of = (str(path), status.st_size, status.st_mtime_ns, start, end)
    return kept.get(of, lambda made: _cut(path, (start, end), made))


def _cut(path: Path, interval: tuple[float, float], made: Path) -> None:
    cut_interval(path, interval, made)
