"""Clips of the codecs that GPUs decode, encoded on the spot, large enough for every card."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

os.environ.setdefault("SVT_LOG", "1")  # else the AV1 encoder tells its settings

DEMO = Path(__file__).parents[1] / "data" / "demo" / "clip4mc" / "clips"
RATE = 25


@dataclass(frozen=True)
class Encoding:
    """How a clip is made.

    Args:
        codec: FFmpeg's encoder.
        options: of the encoder.
        suffix: of the container.
        size: (width, height).
        pix_fmt: of the pictures.
        decoder: which decoder must take it; None where that depends on the card.
    """

    codec: str
    options: dict[str, str] = field(default_factory=dict)
    suffix: str = ".mp4"
    size: tuple[int, int] = (640, 360)
    pix_fmt: str = "yuv420p"
    decoder: str | None = "nvdec"


_X265 = "log-level=none:pools=none:frame-threads=1"
_VP9 = {"deadline": "realtime", "cpu-used": "8", "b": "600k"}

ENCODINGS = {
    "h264": Encoding("libx264", {"g": "60"}),
    "h264 one long group": Encoding("libx264", {"g": "250", "sc_threshold": "0"}),
    "h264 open groups": Encoding("libx264", {"x264-params": "open-gop=1:keyint=24:bframes=3"}),
    "h264 no B-frames": Encoding("libx264", {"profile": "baseline", "g": "60"}),
    "h264 many B-frames": Encoding("libx264", {"x264-params": "bframes=16:b-adapt=2:b-pyramid=strict:ref=16"}),
    "h264 slices": Encoding("libx264", {"x264-params": "slices=4"}),
    "h264 refresh without key frames": Encoding("libx264", {"x264-params": "intra-refresh=1:keyint=25:bframes=0"}),
    "h264 cropped": Encoding("libx264", size=(638, 358)),
    "h264 720p": Encoding("libx264", {"preset": "veryfast"}, size=(1280, 720)),
    "h264 1080p": Encoding("libx264", {"preset": "veryfast"}, size=(1920, 1080)),
    "h264 mkv": Encoding("libx264", {"g": "60"}, ".mkv"),
    "h264 ts": Encoding("libx264", {"g": "60"}, ".ts"),
    "h264 10 bit": Encoding("libx264", pix_fmt="yuv420p10le", decoder="cpu"),
    "h264 4:4:4": Encoding("libx264", pix_fmt="yuv444p", decoder="cpu"),
    "hevc": Encoding("libx265", {"preset": "ultrafast", "x265-params": f"{_X265}:keyint=50"}),
    "hevc closed groups": Encoding("libx265", {"preset": "ultrafast", "x265-params": f"{_X265}:keyint=25:open-gop=0"}),
    "hevc temporal layers": Encoding(
        "libx265", {"preset": "fast", "x265-params": f"{_X265}:keyint=30:temporal-layers=3:b-adapt=0:bframes=7"}
    ),
    "hevc cropped": Encoding("libx265", {"preset": "ultrafast", "x265-params": _X265}, size=(638, 358)),
    "vp9": Encoding("libvpx-vp9", {**_VP9, "g": "50"}, ".webm"),
    "vp9 hidden frames": Encoding(
        "libvpx-vp9", {"cpu-used": "8", "b": "600k", "auto-alt-ref": "6", "lag-in-frames": "19"}, ".webm"
    ),
    "vp9 odd size": Encoding("libvpx-vp9", _VP9, ".webm", size=(639, 359), decoder="cpu"),
    "av1": Encoding("libsvtav1", {"preset": "12", "svtav1-params": "keyint=30"}, decoder=None),
    "mpeg4": Encoding("mpeg4", {"g": "20"}, decoder="cpu"),
}


def pictures(n_frames: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """(height, width, 3) RGB frames: texture that moves, with a cut now and then."""
    width, height = size
    coarse = np.random.default_rng(7).integers(0, 256, (height // 8 + 60, width // 8 + 60, 3), dtype=np.uint8)
    world = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))
    for number in range(n_frames):
        scene = number // 37 * 90
        down, right = (number * 2 + scene) % 400, (number * 3 + scene) % 400
        yield np.ascontiguousarray(world[down : down + height, right : right + width])


def encode(path: Path, how: Encoding, n_frames: int = 90) -> None:
    """Write a clip."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(how.codec, rate=RATE, options=how.options)
        assert isinstance(stream, VideoStream)
        (stream.width, stream.height), stream.pix_fmt = how.size, how.pix_fmt
        for number, picture in enumerate(pictures(n_frames, how.size)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=how.pix_fmt, threads=1)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def made(folder: Path) -> Iterator[tuple[str, Path, str | None]]:
    """(name, file, decoder that must take it) of every clip: the demo's real ones, and one of each encoding."""
    for path in sorted(DEMO.glob("*.*")):
        yield path.name, path, "nvdec"
    for number, (name, how) in enumerate(ENCODINGS.items()):
        path = folder / f"{number:02d}{how.suffix}"
        if not path.exists():
            encode(path, how)
        yield name, path, how.decoder
