"""Odd videos, made when first asked for and kept for the session; and the truth about them."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from scripts.shared.errors import SampleError
from scripts.shared.video.frames import DecodedFrames, PickFrames, read_frames
from tests.odd_videos import ODD

OddVideo = Callable[[str], Path]


@pytest.fixture(scope="session")
def odd_video(tmp_path_factory: pytest.TempPathFactory) -> OddVideo:
    """The file of a kind in `ODD`."""
    folder = tmp_path_factory.mktemp("odd")
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            path = folder / f"{len(made)}{ODD[name].suffix}"
            ODD[name].make(path)
            made[name] = path
        return made[name]

    return make


def uniform(n: int) -> NDArray[np.int64]:
    """Sixteen frames evenly spread; all, and the last one again, of a shorter video."""
    return np.linspace(0, n - 1, 16, dtype=np.int64) if n >= 16 else np.minimum(np.arange(16), n - 1)


def every(n: int) -> NDArray[np.int64]:
    return np.arange(n, dtype=np.int64)


def outcome(
    path: Path, pick: PickFrames, *, decoder: str = "cpu", interval: tuple[float, float] | None = None
) -> DecodedFrames | SampleError:
    """What reading a file comes to, as a value."""
    try:
        return read_frames(path, pick, height=60, width=100, decoder=decoder, interval=interval)
    except SampleError as error:
        return error


def all_frames(path: Path) -> list[VideoFrame]:
    """The truth: every packet decoded in order by the plainest loop, errors skipped."""
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        stream.codec_context.thread_type = "NONE"
        frames = []
        for packet in container.demux(stream):
            try:
                frames += packet.decode()
            except av.FFmpegError:
                continue
    return frames


def scaled(frame: VideoFrame, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3) RGB by a scaler of its own for this one frame."""
    flags = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    return frame.reformat(width, height, "rgb24", interpolation=flags, threads=1).to_ndarray()
