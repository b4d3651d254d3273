"""Cut an interval out of a video with the ffmpeg program: a clip that holds the interval's frames and no others.

The packets are copied where that gives just these frames: the first one is a key frame, and none of those that follow
in the file is shown outside the interval. Otherwise the frames are encoded again. Either way the clip is read back,
and what does not hold the interval's frames is thrown away.
"""

import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import av.error
import ffmpeg  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from scripts.shared.errors import JobError, SampleError
from scripts.shared.video.demux import Packets, format_name, packets_from, read_packets
from scripts.shared.video.ffmpeg_program import ffmpeg_program
from scripts.shared.video.frames import DecodedFrames, read_frames
from scripts.shared.video.interval import stretch_of
from scripts.shared.video.source import FORMATS, VideoFile
from scripts.shared.worker_process import end_with_parent

ENCODER = {"vcodec": "libx264", "preset": "veryfast", "crf": 18, "pix_fmt": "yuv420p", "acodec": "aac"}

# ffmpeg looks for the key frame to begin at with times of other streams, or by guess: a little early is always right.
_SEEK_EARLIER_S = 2
_SIDE = 64  # pixels of the square pictures that are compared
_NEAR = 16.0  # mean difference of two pictures, of 255: another scene or a grey picture has more
_TOLD_TO_END = 255  # ffmpeg's exit status after a signal such as SIGTERM
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Cut:
    """A clip that was cut.

    Attributes:
        copied: whether its packets are those of the video; otherwise its frames were encoded again.
        frames: of the video in the interval: how many, when, and of what kind; the pictures are the first and the last.
    """

    copied: bool
    frames: DecodedFrames


@dataclass(frozen=True)
class _Place:
    """Where the interval lies, in ffmpeg's terms.

    Attributes:
        path: the video.
        demuxer: name of its format.
        video, audio: numbers of its streams; None where it has no sound.
        time_base: seconds a unit of `first` and `last`.
        first, last: times of the first and the last frame.
        end_s: where the interval ends, on the same clock.
        number: of the first frame in the video, where only that tells it (AVI); else None.
    """

    path: Path
    demuxer: str
    video: int
    audio: int | None
    time_base: Fraction
    first: int
    last: int
    end_s: float
    number: int | None

    @property
    def first_s(self) -> float:
        return float(self.first * self.time_base)


def cut_interval(source: Path, interval: tuple[float, float], clip: Path, *, copy: bool = True) -> Cut:
    """Write the clip of an interval: MP4, its first frame at its start, sound where the video has any.

    Args:
        source: the video.
        interval: (begin, end) in seconds from the start of the video; frames with begin <= t < end.
        clip: the file to write; the same video and ffmpeg give the same bytes.
        copy: whether packets may be copied; otherwise the frames are encoded again, as H.264, and sound as AAC.

    Raises:
        SampleError: as `read_frames`; or `cut_failed`: ffmpeg gives no clip with these frames.
        JobError: no ffmpeg, or one that lacks libx264.
        OSError: the disk is full or read-only.
    """
    wanted = read_frames(source, _ends, height=_SIDE, width=_SIDE, interval=interval)
    with VideoFile(source) as video:
        place, payloads = _look(video, interval, wanted)
    reason = ""
    for copied, command in _commands(place, wanted, clip, can_copy=copy and bool(payloads)):
        reason = _run(command, clip) or _difference(clip, wanted, payloads if copied else [])
        if not reason:
            return Cut(copied, wanted)
    clip.unlink(missing_ok=True)
    raise SampleError("cut_failed", f"{source.name}: no clip of {interval[0]:g} to {interval[1]:g} s: {reason}")


def _ends(n_frames: int) -> NDArray[np.int64]:
    return np.array([0, n_frames - 1])


def _look(video: VideoFile, interval: tuple[float, float], wanted: DecodedFrames) -> tuple[_Place, list[bytes]]:
    """Where the interval lies, and digests of the packets to copy; none where they cannot be copied."""
    with video.open_stream() as (container, stream):
        stretch = stretch_of(video.path.name, container, stream, interval)
        audio = container.streams.best("audio")
        time_base = Fraction(wanted.time_base)
        place = _Place(
            path=video.path.absolute(),
            demuxer=format_name(container),
            video=stream.index,
            audio=None if audio is None or audio.codec_context is None else audio.index,
            time_base=time_base,
            first=wanted.pts[0],
            last=wanted.pts[-1],
            end_s=float(stretch.end * time_base),
            number=_frames_before(video.path, interval[0]) if stretch.by_turn else None,
        )
        if place.number is not None:
            return place, []
        packets = packets_from(video, container, stream, place.first)
        return place, _copyable(packets, place, wanted.n_source_frames)


def _copyable(packets: Packets, place: _Place, n_frames: int) -> list[bytes]:
    """Digests of the packets from the interval's first frame on, if that is a key frame and they are its frames."""
    digests: list[bytes] = []
    for packet in packets:
        if not digests and packet.pts != place.first:
            if packet.dts is not None and packet.dts > place.first:
                break
            continue
        if packet.pts is None or not place.first <= packet.pts <= place.last or not (digests or packet.is_keyframe):
            break
        digests.append(_digest(bytes(packet)))
        if len(digests) == n_frames:
            return digests
    return []


def _frames_before(source: Path, begin: float) -> int:
    if begin == 0:
        return 0
    try:
        return read_frames(source, _ends, height=_SIDE, width=_SIDE, interval=(0, begin)).n_source_frames
    except SampleError as error:
        if error.error != "bad_interval":
            raise
        return 0  # no frame is that early


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _commands(place: _Place, wanted: DecodedFrames, clip: Path, *, can_copy: bool) -> Iterator[tuple[bool, list[str]]]:
    """Yield the ways to make the clip, the cheapest first, and whether it is a copy."""
    if can_copy:
        yield True, _compiled(_copying(place, wanted.n_source_frames, clip))
    if place.number is None and place.first_s > 0:
        yield False, _compiled(_encoding(place, wanted.n_source_frames, clip, seek_s=place.first_s - _SEEK_EARLIER_S))
    # Where there is no index, seeking may end behind the interval.
    yield False, _compiled(_encoding(place, wanted.n_source_frames, clip, seek_s=None))


def _input(place: _Place, **options: Any) -> Any:
    return ffmpeg.input(
        f"file:{place.path}",
        format=place.demuxer,
        # As `VideoFile` does: no playlist leads to other files.
        protocol_whitelist="file",
        format_whitelist=FORMATS,
        **options,
    )


def _seek(seconds: float) -> dict[str, Any]:
    return {"ss": f"{max(seconds, 0):.6f}", "seek_timestamp": 1}


def _copying(place: _Place, n_frames: int, clip: Path) -> Any:
    source = _input(place, **_seek(place.first_s))
    streams = [source[str(number)] for number in (place.video, place.audio) if number is not None]
    length = {"t": f"{place.end_s - place.first_s:.6f}", "frames:v": n_frames}
    return _output(streams, clip, codec="copy", **length)


def _encoding(place: _Place, n_frames: int, clip: Path, *, seek_s: float | None) -> Any:
    seek = {} if seek_s is None else {**_seek(seek_s), "noaccurate_seek": None}
    source = _input(place, threads=1, copyts=None, **seek)  # with the video's own times, by which the frames are known
    if place.number is None:
        kept = {"start_pts": place.first, "end_pts": place.last + 1}
    else:
        kept = {"start_frame": place.number, "end_frame": place.number + n_frames}
    video = source[str(place.video)].filter("trim", **kept).filter("setpts", "PTS-STARTPTS")
    # H.264 of this pixel format has even sides only.
    video = video.filter("scale", "trunc(iw/2)*2", "trunc(ih/2)*2", flags="bicubic+accurate_rnd+bitexact")
    streams = [video]
    if place.audio is not None:
        sound = source[str(place.audio)].filter("atrim", start=f"{place.first_s:.6f}", end=f"{place.end_s:.6f}")
        streams.append(sound.filter("asetpts", f"PTS-{place.first_s:.6f}/TB"))
    # The default, one over the frame rate, would move frames of a variable rate.
    return _output(streams, clip, **ENCODER, threads=1, enc_time_base=str(place.time_base))


def _output(streams: list[Any], clip: Path, **options: Any) -> Any:
    exact = {"fflags": "+bitexact", "flags": "+bitexact", "map_metadata": -1, "map_chapters": -1}
    return ffmpeg.output(*streams, f"file:{clip.absolute()}", format="mp4", **exact, **options)


def _compiled(output: Any) -> list[str]:
    quiet = output.global_args("-nostdin", "-v", "error", "-filter_complex_threads", "1")
    command: list[str] = ffmpeg.compile(quiet, cmd=ffmpeg_program(), overwrite_output=True)
    return command


def _run(command: list[str], clip: Path) -> str:
    """Run ffmpeg; what it complains of where it fails."""
    done = _ffmpeg(command)
    if done.returncode == _TOLD_TO_END:
        # A scheduler tells every process of a job, which itself ends after the samples in hand.
        done = _ffmpeg(command)
    words = done.stderr.decode(errors="replace").strip()
    for number in _DISK_ERRORS:
        if os.strerror(number) in words:
            raise OSError(number, os.strerror(number), str(clip))
    if "Unknown encoder" in words:
        raise JobError(f"{command[0]}: {words.splitlines()[0]}; take it off PATH, or install an ffmpeg with libx264")
    if done.returncode == 0:
        return ""
    return f"ffmpeg ended with status {done.returncode} ({words.splitlines()[-1] if words else 'without a word'})"


def _ffmpeg(command: list[str]) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        start_new_session=True,  # Ctrl-C is for the job, which ends after the samples in hand
        preexec_fn=partial(end_with_parent, os.getpid()),
    )


def _difference(clip: Path, wanted: DecodedFrames, payloads: list[bytes]) -> str:
    """How the frames of a clip are not the ones wanted: packet by packet where digests of packets are given."""
    try:
        got = read_frames(clip, _ends, height=_SIDE, width=_SIDE)
        if payloads and _payloads(clip) != payloads:
            return "the packets are others"
    except (SampleError, av.error.FFmpegError) as error:
        return str(error)
    if got.n_source_frames != wanted.n_source_frames:
        return f"ffmpeg gives {got.n_source_frames} frames of {wanted.n_source_frames}"
    far = np.abs(got.frames.astype(int) - wanted.frames).mean(axis=(1, 2, 3)).max()
    return "ffmpeg gives other pictures" if far > (0 if payloads else _NEAR) else ""


def _payloads(clip: Path) -> list[bytes]:
    with VideoFile(clip) as video, video.open_stream() as (container, stream):
        return [_digest(bytes(packet)) for packet in read_packets(video, container, stream)]
