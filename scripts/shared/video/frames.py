"""The wanted frames of a video file, exactly, or the reason why they cannot be had."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.shared.video.cpu import decode_exact
from scripts.shared.video.picture import PickFrames
from scripts.shared.video.scale import make_scaler
from scripts.shared.video.source import VideoFile

__all__ = ["DECODERS", "DecodedFrames", "PickFrames", "read_frames"]

DECODERS = ("cpu", "opencv")


@dataclass(frozen=True)
class DecodedFrames:
    """Frames of one video file.

    Args:
        frames: (n_picked, height, width, 3) uint8 RGB.
        numbers: which frame in presentation order each one is, from 0.
        pts: presentation time of each, in units of `time_base`; its number where the file gives it no time.
        time_base: seconds a unit of `pts`, such as "1/15360".
        n_source_frames: frames that the decoder delivers, never what the container claims.
        codec: name of the codec, such as "h264".
        source_width: pixels of the first wanted frame as coded, before the display matrix turns it.
        source_height: likewise.
        duration_s: number of frames times their mean distance in time, 0 where the file gives none.
        decoder: "cpu" or "opencv".
        fallback: None when only the needed packets were decoded, else why all of them were.
    """

    frames: NDArray[np.uint8]
    numbers: tuple[int, ...]
    pts: tuple[int, ...]
    time_base: str
    n_source_frames: int
    codec: str
    source_width: int
    source_height: int
    duration_s: float
    decoder: str
    fallback: str | None


def read_frames(
    path: Path, pick: PickFrames, *, height: int, width: int, scaler: str = "swscale", decoder: str = "cpu"
) -> DecodedFrames:
    """Read the wanted frames of a video file.

    Args:
        path: a regular file.
        pick: from the number n of decodable frames to the wanted frame numbers, 0 to n - 1, ascending,
            repeats allowed. It may be called more than once.
        height: of the frames in pixels.
        width: likewise.
        scaler: "swscale" (bilinear of libswscale) or "cv2" (the pixels of OpenCV's INTER_LINEAR).
        decoder: "cpu" (exact) or "opencv" (the field's seeking decoder, for comparison).

    Raises:
        SampleError: the file cannot give these frames. Classes: `not_found`, `not_a_file`, `unreadable`,
            `empty_file`, `not_a_video`, `no_video_stream`, `unsupported`, `no_frames`, `truncated` (the file
            ends before its container says), `corrupt` (a wanted frame is damaged or refers to one that is),
            `seek_failed` (opencv only).
        ValueError: an unknown scaler or decoder, no pixels, or numbers that `pick` must not return.
    """
    if height < 1 or width < 1:
        raise ValueError(f"frames of {width}x{height} pixels hold nothing")
    if decoder not in DECODERS:
        raise ValueError(f"no decoder {decoder!r}; choose one of {', '.join(DECODERS)}")
    scale = make_scaler(scaler)
    with VideoFile(path) as video:
        if decoder == "opencv":
            # Only here: the exact decoder needs no OpenCV and runs where it is not installed.
            from scripts.shared.video.opencv import decode_seeking

            picture, codec, fallback = decode_seeking(video, pick, height=height, width=width)
        else:
            picture, codec, fallback = decode_exact(video, pick, scale, height=height, width=width)
    base = picture.time_base
    return DecodedFrames(
        frames=picture.frames,
        numbers=picture.numbers,
        pts=tuple(picture.pts),
        time_base=f"{base.numerator}/{base.denominator}",
        n_source_frames=picture.n_source_frames,
        codec=codec,
        source_width=picture.source_width,
        source_height=picture.source_height,
        duration_s=picture.duration_s,
        decoder=decoder,
        fallback=fallback,
    )
