"""Small videos of every kind that goes wrong somewhere, made on the spot with the ffmpeg of imageio-ffmpeg.

Each frame carries its number as eight black or white blocks along its top, so that a frame says which one it
is whatever a decoder claims. `ODD` names the kinds and what must become of each.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, RATE = 160, 96, 25
_BLOCK_ROWS = HEIGHT // 6

Make = Callable[[Path], None]


@dataclass(frozen=True)
class Odd:
    """One kind of video.

    Args:
        make: writes it to a path.
        suffix: of its file name, which tells ffmpeg the container.
        path: "planned" (only the needed packets), "sequential" (all of them), or an error class.
        n_frames: what must decode; None where the encoder or the cut decides.
        first: number burnt into its first frame.
        numbered: whether each frame's burnt number is one more than the last one's.
    """

    make: Make
    suffix: str
    path: str
    n_frames: int | None
    first: int = 0
    numbered: bool = True


def ffmpeg(*arguments: str | Path, data: bytes | None = None) -> None:
    """Run ffmpeg; its complaints are the failure's text."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")


@cache
def pictures(n_frames: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """`n_frames` RGB frames, (n, height, width, 3): moving texture under the burnt numbers."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (height // 8 + 40, width // 8 + 40, 3), dtype=np.uint8)
    world = np.kron(coarse, np.ones((8, 8, 1), dtype=np.uint8))
    frames = np.empty((n_frames, height, width, 3), dtype=np.uint8)
    for number in range(n_frames):
        scene = number // 37 * 90  # a cut now and then
        down, right = (number * 2 + scene) % 250, (number * 3 + scene) % 250
        frames[number] = world[down : down + height, right : right + width]
        frames[number, : height // 6] = _blocks(number, width)
    return frames.tobytes()


def _blocks(number: int, width: int) -> NDArray[np.uint8]:
    bits = (number >> np.arange(7, -1, -1)) & 1
    row = np.repeat(bits * 255, width // 8).astype(np.uint8)
    return np.pad(row, (0, width - len(row)))[None, :, None]


def burnt_number(frame: NDArray[np.uint8]) -> int:
    """The number in the blocks of a (height, width, 3) frame of any size."""
    height, width = frame.shape[:2]
    row = frame[height // 24 : height // 8].mean(axis=(0, 2))
    bits = [row[int((block + 0.3) * width / 8) : int((block + 0.7) * width / 8)].mean() > 128 for block in range(8)]
    return int(sum(bit << (7 - place) for place, bit in enumerate(bits)))


def encode(path: Path, *options: str | Path, n_frames: int = 80, width: int = WIDTH, height: int = HEIGHT) -> None:
    """Encode the numbered pictures."""
    size = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(RATE), "-i", "-")
    ffmpeg(*size, *options, path, data=pictures(n_frames, width, height))


X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "medium", "-crf", "26", "-threads", "1")
X265 = ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-preset", "fast", "-crf", "28")
QUIET265 = "log-level=none:pools=none:frame-threads=1"
VP9 = ("-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p", "-deadline", "realtime", "-cpu-used", "5", "-b:v", "300k")
AV1 = ("-c:v", "libsvtav1", "-pix_fmt", "yuv420p", "-preset", "10", "-crf", "40", "-svtav1-params")


def x264(*options: str, n_frames: int = 80) -> Make:
    return lambda path: encode(path, *X264, *options, n_frames=n_frames)


def x265(parameters: str = "keyint=25", *options: str) -> Make:
    return lambda path: encode(path, *X265, "-x265-params", f"{QUIET265}:{parameters}", *options)


def other(*options: str, n_frames: int = 80) -> Make:
    return lambda path: encode(path, *options, n_frames=n_frames)


def copied(first: Make, *options: str, suffix: str = ".mp4", before: tuple[str, ...] = ()) -> Make:
    """Made by `first`, then put into another container without encoding again."""

    def make(path: Path) -> None:
        source = path.with_name(f"{path.stem}_source{suffix}")
        first(source)
        ffmpeg(*before, "-i", source, "-c", "copy", *options, path)

    return make


def joined(*parts: tuple[Make, str]) -> Make:
    """Parts one behind the other, byte by byte."""

    def make(path: Path) -> None:
        whole = b""
        for number, (part, suffix) in enumerate(parts):
            source = path.with_name(f"{path.stem}_{number}{suffix}")
            part(source)
            whole += source.read_bytes()
        path.write_bytes(whole)

    return make


def edited(first: Make, change: Callable[[bytes], bytes], suffix: str = ".mp4") -> Make:
    """Made by `first`, then its bytes changed."""

    def make(path: Path) -> None:
        source = path.with_name(f"{path.stem}_source{suffix}")
        first(source)
        path.write_bytes(change(source.read_bytes()))

    return make


def _zero_hole(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes(len(data) // 8) + data[middle + len(data) // 8 :]


def _damage(data: bytes) -> bytes:
    rng = np.random.default_rng(3)
    middle = len(data) // 2
    return data[:middle] + rng.bytes(64) + data[middle + 64 :]


def _two_sizes(path: Path) -> None:
    """The size changes in mid stream."""
    parts = []
    for number, (width, height) in enumerate([(WIDTH, HEIGHT), (WIDTH * 2, HEIGHT * 2)]):
        part = path.with_name(f"{path.stem}_{number}.ts")
        encode(part, *X264, "-g", "20", n_frames=40, width=width, height=height)
        parts.append(f"file '{part}'\n")
    script = path.with_name(f"{path.stem}.ffconcat")
    script.write_text("ffconcat version 1.0\n" + "".join(parts))
    ffmpeg("-f", "concat", "-safe", "0", "-i", script, "-c", "copy", path)


def _with_sound(*options: str) -> Make:
    def make(path: Path) -> None:
        source = path.with_name(f"{path.stem}_source.mp4")
        encode(source, *X264, "-g", "30")
        tone = ("-f", "lavfi", "-i", "sine=440:duration=3.2")
        ffmpeg(*tone, "-i", source, "-c:v", "copy", "-c:a", "aac", *options, path)

    return make


def _cover_art(path: Path) -> None:
    cover = path.with_name(f"{path.stem}.png")
    encode(cover, "-frames:v", "1", "-update", "1", n_frames=1)
    tone = ("-f", "lavfi", "-i", "sine=440:duration=1")
    ffmpeg(*tone, "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic", path)


def _video_and_cover(path: Path) -> None:
    """The cover comes first and is the larger picture."""
    video, cover = path.with_name("vc.mp4"), path.with_name("vc.png")
    encode(video, *X264, "-g", "30")
    encode(cover, "-frames:v", "1", "-update", "1", n_frames=1, width=WIDTH * 4, height=HEIGHT * 4)
    maps = ("-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic", "-disposition:v:1", "default")
    ffmpeg("-i", video, "-i", cover, *maps, path)


def _late_ts(path: Path) -> None:
    """A transport stream that begins between two key frames."""
    source = path.with_name("late_source.ts")
    encode(source, *X264, "-g", "30", "-bf", "2")
    data = source.read_bytes()
    path.write_bytes(data[len(data) // 5 // 188 * 188 :])


def _ts_without_a_key(path: Path) -> None:
    """The parameter sets and the only key frame are gone: nothing can decode."""
    source = path.with_name("keyless_source.ts")
    encode(source, *X264, "-g", "250", "-sc_threshold", "0", "-bf", "2")
    data = source.read_bytes()
    path.write_bytes(data[len(data) // 3 // 188 * 188 :])


CUT = ("-ss", "1.8")  # between two key frames, so that an edit list hides the first frames

ODD: dict[str, Odd] = {
    # H.264 as it is common
    "h264": Odd(x264("-g", "30"), ".mp4", "planned", 80),
    "h264 one long group": Odd(x264("-g", "250", "-sc_threshold", "0"), ".mp4", "planned", 80),
    "h264 open groups": Odd(x264("-g", "20", "-x264-params", "open-gop=1:bframes=3"), ".mp4", "planned", 80),
    "h264 no B-frames": Odd(x264("-g", "30", "-profile:v", "baseline"), ".mp4", "planned", 80),
    "h264 ultrafast": Odd(x264("-g", "30", "-preset", "ultrafast"), ".mp4", "planned", 80),
    "h264 every frame a key": Odd(x264("-g", "1"), ".mp4", "planned", 80),
    "h264 sixteen B-frames": Odd(
        x264("-g", "60", "-x264-params", "bframes=16:b-adapt=2:b-pyramid=strict:ref=16"), ".mp4", "planned", 80
    ),
    "h264 no pyramid": Odd(x264("-x264-params", "bframes=3:b-pyramid=none"), ".mp4", "planned", 80),
    "h264 slices": Odd(x264("-g", "30", "-x264-params", "slices=4"), ".mp4", "planned", 80),
    "h264 long term weights": Odd(x264("-x264-params", "weightp=2:ref=5:keyint=33"), ".mkv", "planned", 80),
    "h264 refresh without key frames": Odd(
        x264("-x264-params", "intra-refresh=1:keyint=25:bframes=0"), ".mp4", "planned", 80
    ),
    "h264 interlaced": Odd(x264("-x264-params", "tff=1:keyint=30"), ".mp4", "sequential", 80),
    "h264 10 bit": Odd(x264("-pix_fmt", "yuv420p10le", "-g", "30"), ".mp4", "planned", 80),
    "h264 full colour": Odd(x264("-pix_fmt", "yuv444p", "-g", "30"), ".mp4", "planned", 80),
    "h264 one frame": Odd(x264(n_frames=1), ".mp4", "planned", 1),
    "h264 two frames": Odd(x264(n_frames=2), ".mp4", "planned", 2),
    "h264 five frames": Odd(x264(n_frames=5), ".mp4", "planned", 5),
    "h264 bt709 full range": Odd(
        x264("-vf", "scale=out_color_matrix=bt709:out_range=pc", "-colorspace", "bt709", "-color_range", "pc"),
        ".mp4",
        "planned",
        80,
    ),
    # times
    "variable rate mp4": Odd(
        x264("-vf", "setpts='N+floor(N*N/60)'", "-fps_mode", "vfr", "-g", "30"), ".mp4", "planned", 80
    ),
    "variable rate mkv": Odd(
        x264("-vf", "setpts='N+mod(N*7,3)*0.3'", "-fps_mode", "passthrough", "-g", "30"), ".mkv", "planned", 80
    ),
    "negative start mkv": Odd(
        copied(x264("-g", "30"), "-output_ts_offset", "-1.5", "-avoid_negative_ts", "disabled"),
        ".mkv",
        "sequential",
        80,
    ),
    "late start mp4": Odd(copied(x264("-g", "30"), "-output_ts_offset", "100"), ".mp4", "planned", 80),
    "cut with an edit list": Odd(
        copied(x264("-g", "30"), "-avoid_negative_ts", "disabled", before=CUT), ".mp4", "planned", 35, first=45
    ),
    "cut with an edit list, open groups": Odd(
        copied(x264("-x264-params", "open-gop=1:keyint=20"), "-avoid_negative_ts", "disabled", before=CUT),
        ".mp4",
        "planned",
        35,
        first=45,
    ),
    "cut without an edit list": Odd(
        copied(x264("-g", "30"), "-avoid_negative_ts", "make_zero", "-use_editlist", "0", before=CUT),
        ".mp4",
        "planned",
        43,
        first=37,
    ),
    "cut mkv": Odd(copied(x264("-g", "30"), before=CUT), ".mkv", "planned", 43, first=37),
    "cut ts": Odd(copied(x264("-g", "30"), before=CUT), ".ts", "planned", 43, first=37),
    # containers
    "mkv": Odd(copied(x264("-g", "30")), ".mkv", "planned", 80),
    "ts": Odd(copied(x264("-g", "30")), ".ts", "planned", 80),
    "flv": Odd(copied(x264("-g", "30")), ".flv", "planned", 80),
    "fragmented mp4": Odd(
        copied(x264("-g", "30"), "-movflags", "frag_keyframe+empty_moov+default_base_moof"), ".mp4", "planned", 80
    ),
    "index in front": Odd(copied(x264("-g", "30"), "-movflags", "+faststart"), ".mp4", "planned", 80),
    "parameters in band": Odd(copied(x264("-g", "30"), "-tag:v", "avc3"), ".mp4", "planned", 80),
    "avi": Odd(copied(x264("-g", "30")), ".avi", "sequential", 80),
    "bare h264": Odd(x264("-g", "30"), ".h264", "sequential", 80),
    "ts from mid stream": Odd(_late_ts, ".ts", "sequential", 50, first=30),
    "ts joined, times start again": Odd(
        joined((x264("-g", "20", n_frames=40), ".ts"), (x264("-g", "20", n_frames=41), ".ts")),
        ".ts",
        "sequential",
        81,
        numbered=False,
    ),
    "ts without a key frame": Odd(_ts_without_a_key, ".ts", "no_frames", None),
    "size changes in mid stream": Odd(_two_sizes, ".mkv", "sequential", 80, numbered=False),
    "size changes in mid ts": Odd(_two_sizes, ".ts", "sequential", 80, numbered=False),
    "sound first": Odd(_with_sound(), ".mp4", "planned", 80),
    "sound only": Odd(lambda path: ffmpeg("-f", "lavfi", "-i", "sine=d=1", path), ".m4a", "no_video_stream", None),
    "cover art only": Odd(_cover_art, ".m4a", "no_video_stream", None),
    "cover art before the video": Odd(_video_and_cover, ".mp4", "planned", 80),
    # HEVC
    "hevc": Odd(x265(), ".mp4", "planned", 80),
    "hevc closed groups": Odd(x265("keyint=25:open-gop=0"), ".mp4", "planned", 80),
    "hevc temporal layers": Odd(x265("keyint=30:temporal-layers=3:b-adapt=0:bframes=7"), ".mp4", "planned", 80),
    "hevc many B-frames": Odd(x265("keyint=60:bframes=8:b-adapt=2:ref=5"), ".mkv", "planned", 80),
    "hevc 10 bit": Odd(x265("keyint=25", "-pix_fmt", "yuv420p10le"), ".mp4", "planned", 80),
    "hevc ts": Odd(x265(), ".ts", "planned", 80),
    "hevc hvc1": Odd(x265("keyint=25", "-tag:v", "hvc1"), ".mp4", "planned", 80),
    "hevc cut": Odd(copied(x265(), "-avoid_negative_ts", "disabled", before=CUT), ".mp4", "planned", 35, first=45),
    # VP8, VP9, AV1
    "vp8": Odd(
        other("-c:v", "libvpx", "-b:v", "300k", "-auto-alt-ref", "1", "-lag-in-frames", "16"), ".webm", "sequential", 80
    ),
    "vp9": Odd(other(*VP9, "-g", "30"), ".webm", "planned", 80),
    "vp9 hidden frames": Odd(
        other(
            "-c:v",
            "libvpx-vp9",
            "-cpu-used",
            "4",
            "-b:v",
            "300k",
            "-g",
            "40",
            "-auto-alt-ref",
            "6",
            "-lag-in-frames",
            "19",
        ),
        ".webm",
        "planned",
        80,
    ),
    "vp9 10 bit": Odd(other(*VP9, "-pix_fmt", "yuv420p10le", "-profile:v", "2"), ".mkv", "planned", 80),
    "vp9 mp4": Odd(other(*VP9, "-g", "30"), ".mp4", "planned", 80),
    "webm without an end": Odd(other(*VP9, "-g", "30", "-live", "1"), ".webm", "planned", 80),
    "av1": Odd(other(*AV1, "keyint=30"), ".mp4", "planned", 80),
    "av1 webm": Odd(other(*AV1, "keyint=30"), ".webm", "planned", 80),
    "av1 grain": Odd(other(*AV1, "keyint=30:film-grain=20"), ".mp4", "planned", 80),
    "av1 forward key frames": Odd(other(*AV1, "keyint=30:irefresh-type=1"), ".mp4", "planned", 80),
    # older codecs, always decoded whole
    "mpeg4": Odd(other("-c:v", "mpeg4", "-bf", "2", "-g", "20", "-q:v", "5"), ".mp4", "sequential", 80),
    "mpeg4 avi": Odd(other("-c:v", "mpeg4", "-bf", "2", "-g", "20", "-q:v", "5"), ".avi", "sequential", 80),
    "xvid packed avi": Odd(other("-c:v", "libxvid", "-bf", "2", "-g", "20", "-q:v", "5"), ".avi", "sequential", None),
    "mpeg2 ts": Odd(other("-c:v", "mpeg2video", "-bf", "2", "-g", "15", "-q:v", "5"), ".ts", "sequential", 80),
    "mpeg1": Odd(other("-c:v", "mpeg1video", "-g", "15", "-q:v", "5"), ".mpg", "sequential", 80),
    "motion jpeg": Odd(other("-c:v", "mjpeg", "-q:v", "4", "-pix_fmt", "yuvj420p"), ".avi", "sequential", 80),
    "prores": Odd(other("-c:v", "prores"), ".mov", "sequential", 80),
    "theora": Odd(other("-c:v", "libtheora", "-q:v", "7"), ".ogv", "sequential", 80),
    "wmv": Odd(other("-c:v", "wmv2", "-b:v", "500k"), ".wmv", "sequential", 80),
    "flash": Odd(other("-c:v", "flv", "-q:v", "5"), ".flv", "sequential", 80),
    "ffv1": Odd(other("-c:v", "ffv1", "-pix_fmt", "yuv420p"), ".mkv", "sequential", 80),
    "raw avi": Odd(other("-c:v", "rawvideo", "-pix_fmt", "yuv420p"), ".avi", "sequential", 80),
    "gif": Odd(other(n_frames=40), ".gif", "sequential", 40),
    # damage inside an otherwise whole file
    "hole of zeros, h264": Odd(edited(x264("-g", "40"), _zero_hole), ".mp4", "corrupt", None),
    "hole of zeros, hevc": Odd(edited(x265("keyint=40"), _zero_hole), ".mp4", "corrupt", None),
    "hole of zeros, vp9": Odd(edited(other(*VP9, "-g", "40"), _zero_hole), ".mp4", "corrupt", None),
    "hole of zeros, av1": Odd(edited(other(*AV1, "keyint=40"), _zero_hole), ".mp4", "corrupt", None),
    "damaged bytes, h264": Odd(edited(x264("-g", "250"), _damage), ".mp4", "corrupt", None),
}
