"""What an encoder sees of a picture or a video: pixels of one size, and when each frame is shown."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from scripts.cnclip.pixels import as_uint8
from scripts.search.pictures import open_asset_picture
from scripts.shared.errors import SampleError
from scripts.shared.video.exact import Decoded, decode_exact
from scripts.shared.video.scale import Scaler, make_scaler, shown_size
from scripts.shared.video.source import VideoFile

FRAMES_AT_A_GO = 512  # decoded at once: 77 MB at 224 pixels
_SCALER = "swscale"

Bytes = NDArray[np.uint8]


class AssetFacts(NamedTuple):
    """What the index tells of a file.

    Attributes:
        sha1: of its bytes, hexadecimal: equal files are found by it.
        width, height: pixels, as it is shown.
        duration: of a video, in seconds.
    """

    sha1: str
    width: int
    height: int
    duration: float | None = None


class Frames(NamedTuple):
    """Some frames of a video.

    Attributes:
        pixels: (n, 3, S, S) uint8 RGB.
        times: (n,) float64, in seconds from the video's first frame.
    """

    pixels: Bytes
    times: NDArray[np.float64]


def read_picture(path: Path, *, size: int, min_size: int) -> tuple[Bytes, AssetFacts]:
    """Read a picture.

    Args:
        path: the file.
        size: S, edge of the encoder's pictures.
        min_size: fewest pixels of a side.

    Returns:
        (3, S, S) uint8 RGB, and what is known of it.

    Raises:
        SampleError: as `open_asset_picture`; `not_found`, `unreadable`; `too_small`.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SampleError("not_found", f"{path.name}: no such file") from error
    except OSError as error:
        raise SampleError("unreadable", f"{path.name}: {error.strerror}") from error
    if not data:
        raise SampleError("empty_file", f"{path.name}: the file has no content")
    try:
        picture = open_asset_picture(data)
    except SampleError as error:
        raise SampleError(error.error, f"{path.name}: {error.message}") from error
    facts = AssetFacts(hashlib.sha1(data).hexdigest(), *picture.size)  # noqa: S324 - finds equal files, guards nothing
    _refuse_small(path, facts, min_size)
    return as_uint8(picture, size), facts


def read_video(path: Path, *, size: int, min_size: int, interval: float) -> tuple[AssetFacts, Iterator[Frames]]:
    """Read frames of a video: its first one, and one every interval.

    Frames are those of the exact decoder, and their times are the file's own. Where the frame rate varies, frames are
    taken at even distances in number that make the interval on the mean.

    Args:
        path: the file.
        size: S, edge of the encoder's pictures.
        min_size: fewest pixels of a side.
        interval: seconds.

    Returns:
        What is known of the video, and its frames, some at a time.

    Raises:
        SampleError: as `shared.video.frames.read_frames`; `too_small`; `no_times` where the file does not say when its
            frames are shown.
    """
    shown = _NotesSize(make_scaler(_SCALER))
    with VideoFile(path) as video:
        first = decode_exact(video, lambda _: np.zeros(1, np.int64), shown, height=size, width=size)
    picture = first.picture
    if picture.n_source_frames > 1 and picture.duration_s <= 0:
        raise SampleError("no_times", f"{path.name}: does not say when its frames are shown; convert it to MP4")
    facts = AssetFacts(_sha1(path), shown.width, shown.height, round(picture.duration_s, 3))
    _refuse_small(path, facts, min_size)
    numbers = frame_numbers(picture.n_source_frames, picture.duration_s, interval)
    return facts, _frames(path, numbers, first, size)


def frame_numbers(n_frames: int, duration_s: float, interval: float) -> NDArray[np.int64]:
    """Which frames of a video are looked at: those nearest to 0, 1, 2, ... intervals.

    Args:
        n_frames: of the video.
        duration_s: number of frames times their mean distance.
        interval: seconds.

    Returns:
        Ascending numbers, each once, the first 0.
    """
    distance = duration_s / n_frames
    if distance <= 0:
        return np.zeros(1, np.int64)
    wanted = np.arange(0, max(duration_s, interval), interval)
    return np.unique(np.minimum(np.rint(wanted / distance).astype(np.int64), n_frames - 1))


def _frames(path: Path, numbers: NDArray[np.int64], first: Decoded, size: int) -> Iterator[Frames]:
    start = first.picture.pts[0]
    scale = make_scaler(_SCALER)
    for go in range(0, len(numbers), FRAMES_AT_A_GO):
        wanted = numbers[go : go + FRAMES_AT_A_GO]
        with VideoFile(path) as video:
            pick = partial(_same, wanted)
            picture = decode_exact(video, pick, scale, height=size, width=size).picture
        times = np.array([float((pts - start) * picture.time_base) for pts in picture.pts], np.float64)
        yield Frames(np.ascontiguousarray(picture.frames.transpose(0, 3, 1, 2)), np.round(times, 6))


def _same(wanted: NDArray[np.int64], _n_frames: int) -> NDArray[np.int64]:
    return wanted


class _NotesSize:
    """A scaler that notes the size in which the first frame is shown."""

    def __init__(self, scale: Scaler) -> None:
        self._scale, self.width, self.height = scale, 0, 0

    def __call__(self, frame: VideoFrame, *, height: int, width: int) -> Bytes:
        if not self.width:
            self.width, self.height = shown_size(frame)
        return self._scale(frame, height=height, width=width)


def _refuse_small(path: Path, facts: AssetFacts, min_size: int) -> None:
    if min(facts.width, facts.height) < min_size:
        raise SampleError(
            "too_small",
            f"{path.name}: {facts.width} x {facts.height} pixels, and min_size is {min_size}: left out as an icon; "
            "lower min_size to have it",
        )


def _sha1(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha1").hexdigest()
