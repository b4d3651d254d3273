"""The wanted frames of a video file, exactly, or the reason why they cannot be had."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.shared.video.exact import Decoded, decode_exact
from scripts.shared.video.nvdec import this_card
from scripts.shared.video.picture import PickFrames
from scripts.shared.video.scale import make_scaler
from scripts.shared.video.source import VideoFile

__all__ = ["DECODERS", "DecodedFrames", "PickFrames", "read_frames"]

DECODERS = ("cpu", "nvdec", "opencv")


@dataclass(frozen=True)
class DecodedFrames:
    """Frames of one video file.

    Args:
        frames: (n_picked, height, width, 3) uint8 RGB.
        numbers: which frame in presentation order each one is, from 0; of an interval where one was asked for.
        pts: presentation time of each in the file, in units of `time_base`; its number where the file gives it no
            time.
        time_base: seconds a unit of `pts`, such as "1/15360".
        n_source_frames: frames that the decoder delivers, never what the container claims; those of the interval.
        codec: name of the codec, such as "h264".
        source_width: pixels of the first wanted frame as coded, before the display matrix turns it.
        source_height: likewise.
        duration_s: number of frames times their mean distance in time, 0 where the file gives none.
        decoder: "cpu", "nvdec" or "opencv": which one it was.
        fallback: None when only the needed packets were decoded, else why all of them were.
        why_cpu: why the CPU decoded where nvdec was asked for, else None.
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
    why_cpu: str | None = None

    def source_facts(self) -> dict[str, Any]:
        """What a ledger keeps of the video, or of the interval of it: when which frames are, and of what kind."""
        return {
            "pts": self.pts,
            "time_base": self.time_base,
            "n_frames": self.n_source_frames,
            "codec": self.codec,
            "size_px": [self.source_width, self.source_height],
            "duration_s": round(self.duration_s, 3),
        }


def read_frames(
    path: Path,
    pick: PickFrames,
    *,
    height: int,
    width: int,
    scaler: str = "swscale",
    decoder: str = "cpu",
    interval: tuple[float, float] | None = None,
) -> DecodedFrames:
    """Read the wanted frames of a video file, or of an interval of it.

    Args:
        path: a regular file.
        pick: from the number n of decodable frames to the wanted frame numbers, 0 to n - 1, ascending,
            repeats allowed. It may be called more than once.
        height: of the frames in pixels.
        width: likewise.
        scaler: "swscale" (bilinear of libswscale) or "cv2" (the pixels of OpenCV's INTER_LINEAR).
        decoder: "cpu" (exact), "nvdec" (the same frames by the GPU where one answers and takes the clip, else by the
            CPU) or "opencv" (the field's seeking decoder, for comparison; whole files only).
        interval: (begin, end) in seconds from the start time of the file (FFmpeg's `start_time`, that of the stream
            which starts first, from which `-ss` counts as well). The frames to choose from are those with
            begin <= t < end, compared exactly, and are numbered from 0. Only that stretch of the file is read
            where its container and codec allow it, and only damage that reaches it counts.

    Raises:
        SampleError: the file cannot give these frames. Classes: `not_found`, `not_a_file`, `unreadable`,
            `empty_file`, `not_a_video`, `no_video_stream`, `unsupported`, `no_frames`, `truncated` (the file
            ends before its container says), `corrupt` (a wanted frame is damaged or refers to one that is),
            `seek_failed` (opencv only), `bad_interval` (not 0 <= begin < end, without frames, or ending more than
            a second after the video), `no_times` (the file's times do not say where the interval is).
        ValueError: an unknown scaler or decoder, an interval for the opencv decoder, no pixels, or numbers that
            `pick` must not return.
    """
    if height < 1 or width < 1:
        raise ValueError(f"frames of {width}x{height} pixels hold nothing")
    if decoder not in DECODERS:
        raise ValueError(f"no decoder {decoder!r}; choose one of {', '.join(DECODERS)}")
    if decoder == "opencv" and interval is not None:
        raise ValueError("the opencv decoder reads whole clips only; take another decoder for intervals of videos")
    scale = make_scaler(scaler)
    with VideoFile(path) as video:
        if decoder == "opencv":
            # Only here: the exact decoder needs no OpenCV and runs where it is not installed.
            from scripts.shared.video.opencv import decode_seeking

            picture, codec = decode_seeking(video, pick, height=height, width=width)
            decoded = Decoded(picture, codec, "opencv")
        else:
            card = this_card() if decoder == "nvdec" else None
            decoded = decode_exact(video, pick, scale, height=height, width=width, interval=interval, card=card)
    picture = decoded.picture
    base = picture.time_base
    return DecodedFrames(
        frames=picture.frames,
        numbers=picture.numbers,
        pts=tuple(picture.pts),
        time_base=f"{base.numerator}/{base.denominator}",
        n_source_frames=picture.n_source_frames,
        codec=decoded.codec,
        source_width=picture.source_width,
        source_height=picture.source_height,
        duration_s=picture.duration_s,
        decoder=decoded.decoder,
        fallback=decoded.fallback,
        why_cpu=decoded.why_cpu,
    )
