"""Write frames as an H.264 file that plays anywhere: equal frames give equal bytes with one build of libx264."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from scripts.shared.atomic_files import open_new

_CONTAINER = {"fflags": "+bitexact", "movflags": "+faststart"}  # no dates; the index first, for browsers

# One thread: with more the bytes depend on the machine. And no vector code of libx264: where a picture is small, that
# for the worth of a block to later frames reads memory that nobody wrote; fourteen runs gave thirteen different files.
_REPEATABLE = {"threads": "1", "x264-params": "cpu-independent=1"}


def write_h264(
    path: Path, frames: Iterable[NDArray[np.uint8]], *, fps: int | Fraction, options: Mapping[str, str] | None = None
) -> None:
    """Put a video at `path`, whole or not at all.

    Args:
        path: the MP4 file.
        frames: (height, width, 3) uint8 RGB each, one or more, of one size; where a side is odd, its last line is left
            out, since the pixels' colours are kept in twos (4:2:0).
        fps: frames a second.
        options: of libx264, such as crf.

    Raises:
        ValueError: there is no frame.
        OSError: the folder cannot be written.
    """
    with open_new(path) as file, av.open(file, "w", format="mp4", options=_CONTAINER) as container:
        stream: Any = container.add_stream("libx264", rate=fps, options=_REPEATABLE | dict(options or {}))
        number = -1
        for number, picture in enumerate(frames):
            height, width = (side - side % 2 for side in picture.shape[:2])
            if not number:
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = number, 1 / Fraction(fps)
            container.mux(stream.encode(frame))
        if number < 0:
            raise ValueError(f"{path}: a video of no frames")
        container.mux(stream.encode(None))
