"""Clips of videos, exact to the frame."""

from pathlib import Path

from scripts.search.query.catalogue import Catalogue
from scripts.search.server.asset_files import real_file
from scripts.search.server.kept_files import KeptFiles
from scripts.shared.video.cut import cut_interval
from scripts.shared.video.source import VideoFile

MAX_CLIP_S = 60.0
# What every browser plays out of an MP4; anything else is encoded again.
_CODEC, _PIXELS = "h264", ("yuv420p", "yuvj420p")
_SOUND = ("aac", "mp3")


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
    cut_interval(path, interval, made, copy=_plays_anywhere(path))


def _plays_anywhere(path: Path) -> bool:
    """Whether a video's packets are such as every browser decodes."""
    with VideoFile(path) as video, video.open_stream() as (container, stream):
        sound = container.streams.best("audio")
        context = stream.codec_context
        return (
            context.codec.canonical_name == _CODEC
            and context.pix_fmt in _PIXELS
            and (sound is None or sound.codec_context is None or sound.codec_context.codec.canonical_name in _SOUND)
        )
