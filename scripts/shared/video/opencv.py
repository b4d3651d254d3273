"""The seeking decoder that the field uses, kept as a baseline: what it returns is often not what was asked.

It trusts the container's frame count and seeks to each frame by number. Against the scripts that it stands
for, one thing differs: where a read fails they put a black frame, and here the sample fails.
"""

import os
from fractions import Fraction

# OpenCV brings an FFmpeg of its own, which reads these once, when it is loaded.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2
import numpy as np

from scripts.shared.errors import SampleError
from scripts.shared.video.picture import PickFrames, Picture, new_picture
from scripts.shared.video.source import VideoFile

cv2.setNumThreads(1)  # the pool already fills the cores

# Broken headers count up to 10**17 frames; a list of their numbers would fill the memory.
_MOST_FRAMES = 10_000_000


def decode_seeking(video: VideoFile, pick: PickFrames, *, height: int, width: int) -> tuple[Picture, str]:
    """(the frames that OpenCV gives for the wanted numbers, the codec).

    Raises:
        SampleError: `seek_failed`, or what opening the file raises.
    """
    # Refuses playlists and the like, which OpenCV would follow.
    with video.open_stream() as (_, stream):
        codec = stream.codec_context.codec.canonical_name
        time_base = stream.time_base or Fraction(1)
        size = (stream.codec_context.width, stream.codec_context.height)
    # An absolute path cannot be taken for an address of some protocol.
    capture = cv2.VideoCapture(str(video.path.absolute()), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise SampleError("seek_failed", f"{video.path.name}: OpenCV cannot open it")
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if not 1 <= count <= _MOST_FRAMES:
            raise SampleError("seek_failed", f"{video.path.name}: OpenCV counts {count:.0f} frames")
        picture = new_picture(pick, int(count), height=height, width=width)
        picture.time_base = time_base
        picture.source_width, picture.source_height = size
        rate = capture.get(cv2.CAP_PROP_FPS)
        picture.duration_s = count / rate if rate > 0 else 0.0
        _seek_and_read(video, capture, picture)
    finally:
        capture.release()
    return picture, codec


def _seek_and_read(video: VideoFile, capture: cv2.VideoCapture, picture: Picture) -> None:
    """Seek to each wanted frame by its number and read whatever is there."""
    height, width = picture.frames.shape[1:3]
    for number in picture.numbers:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        found, frame = capture.read()
        if not found or frame is None:
            raise SampleError(
                "seek_failed",
                f"{video.path.name}: OpenCV reads no frame {number} of the {picture.n_source_frames} it counts",
            )
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        pixels = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        pts = round(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 / float(picture.time_base))
        picture.put(number, pixels, pts=pts, source=(picture.source_width, picture.source_height))
