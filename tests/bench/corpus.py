"""Clips for the benches, re-cut from real footage and encoded as clips of the field are.

Sources (each with its origin and licence in SOURCES.md beside them): `gameplay_minetest.mp4` and
`gameplay_freedoom.mp4`, screen recordings of the games, and `bigbuckbunny.mp4`, (c) Blender Foundation,
CC-BY 3.0. They are shorter than the clips, so they play forth and back under a slow pan and zoom; cuts between
the three are hard. Each frame carries its number as sixteen black or white blocks along the top, so that a
frame says which one it is.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream

CHECKOUT = Path(__file__).parents[2]
SOURCES = ("gameplay_minetest.mp4", "bigbuckbunny.mp4", "gameplay_freedoom.mp4")
RATE = 30
LENGTHS = (300, 480, 900)  # 10, 16 and 30 s
N_BITS = 16
_CUT_EVERY = (71, 113, 59, 149)  # frames between hard cuts, in turn


@dataclass(frozen=True)
class ClipSet:
    """How the clips of one kind are made.

    Args:
        width: in pixels.
        height: likewise.
        codec: FFmpeg's encoder.
        options: of the encoder.
        kbit_s: aimed bit rate.
        cuts: whether scenes change.
        suffix: of the container.
    """

    width: int
    height: int
    codec: str
    options: dict[str, str]
    kbit_s: int
    cuts: bool
    suffix: str = ".mp4"


def _x264(group: int, **more: str) -> dict[str, str]:
    return {"preset": "medium", "g": str(group), **more}


SETS = {
    "H.264 360p, GOP 250, no cuts": ClipSet(640, 360, "libx264", _x264(250, sc_threshold="0"), 600, cuts=False),
    "H.264 360p, GOP 250, cuts": ClipSet(640, 360, "libx264", _x264(250), 600, cuts=True),
    "H.264 360p, GOP 30": ClipSet(640, 360, "libx264", _x264(30), 600, cuts=True),
    "H.264 720p, GOP 250, cuts": ClipSet(1280, 720, "libx264", _x264(250), 2000, cuts=True),
    "HEVC 360p": ClipSet(
        640, 360, "libx265", {"preset": "fast", "x265-params": "log-level=none:keyint=250"}, 450, cuts=True
    ),
    "VP9 360p": ClipSet(
        640, 360, "libvpx-vp9", {"deadline": "good", "cpu-used": "5", "g": "240", "row-mt": "1"}, 450, True, ".webm"
    ),
}
H264_1080P = ClipSet(1920, 1080, "libx264", _x264(250, preset="fast"), 4000, cuts=True)


def footage_folder() -> Path:
    """Where the source videos lie.

    Raises:
        FileNotFoundError: not all of them are there.
    """
    folder = Path(os.environ.get("POLYMILL_BENCH_VIDEO", CHECKOUT.parent / "shared" / "data" / "video"))
    missing = [name for name in SOURCES if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{folder}: no {', '.join(missing)}; name a folder that holds them with POLYMILL_BENCH_VIDEO"
        )
    return folder


def clips(kind: ClipSet, lengths: tuple[int, ...] = LENGTHS) -> list[Path]:
    """The clips of a set, one for each length in frames; made once and kept in work/bench/clips."""
    paths = []
    for n_frames in lengths:
        digest = hashlib.blake2b(f"{kind}{n_frames}{SOURCES}".encode(), digest_size=6).hexdigest()
        path = CHECKOUT / "work" / "bench" / "clips" / f"{kind.codec}_{kind.height}p_{n_frames}_{digest}{kind.suffix}"
        if not path.exists():
            _encode(path, kind, n_frames)
        paths.append(path)
    return paths


@cache
def _footage(name: str) -> list[av.VideoFrame]:
    with av.open(str(footage_folder() / name)) as container:
        return list(container.decode(video=0))


def _scenes(n_frames: int, *, cuts: bool) -> Iterator[tuple[str, int]]:
    """(source, frame of it) of each frame: forth and back, and on to another source at each cut."""
    places = dict.fromkeys(SOURCES, 0)
    scene, left = 0, _CUT_EVERY[0]
    for _ in range(n_frames):
        if cuts and not left:
            scene += 1
            left = _CUT_EVERY[scene % len(_CUT_EVERY)]
        left -= 1
        name = SOURCES[scene % len(SOURCES)]
        last = len(_footage(name)) - 1
        place = places[name]
        places[name] += 1
        yield name, last - abs(place % (2 * last) - last)


def _picture(name: str, place: int, number: int, kind: ClipSet) -> av.VideoFrame:
    """One frame: panned and zoomed, numbered, of the size of the set."""
    source = np.asarray(_footage(name)[place].to_ndarray(format="rgb24"), dtype=np.uint8)
    height, width = source.shape[:2]
    zoom = 0.85 + 0.1 * np.sin(number / 170)
    rows, columns = int(height * zoom), int(width * zoom)
    top = int((height - rows) * (0.5 + 0.5 * np.sin(number / 110)))
    left = int((width - columns) * (0.5 + 0.5 * np.sin(number / 140 + 1)))
    part = np.ascontiguousarray(source[top : top + rows, left : left + columns])
    frame = av.VideoFrame.from_ndarray(part, format="rgb24").reformat(kind.width, kind.height, "rgb24", threads=1)
    pixels = frame.to_ndarray()
    bits = (number >> np.arange(N_BITS - 1, -1, -1)) & 1
    pixels[: kind.height // 15] = np.repeat(bits * 255, kind.width // N_BITS)[None, :, None]
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


def _encode(path: Path, kind: ClipSet, n_frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        with av.open(str(unfinished), "w") as container:
            stream = container.add_stream(kind.codec, rate=RATE, options=kind.options)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = kind.width, kind.height, "yuv420p"
            stream.bit_rate = kind.kbit_s * 1000
            for number, (name, place) in enumerate(_scenes(n_frames, cuts=kind.cuts)):
                frame = _picture(name, place, number, kind).reformat(format="yuv420p", threads=1)
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        unfinished.rename(path)
