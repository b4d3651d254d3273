"""Samples straight from whole videos, against cutting clips first and decoding those."""

import statistics
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.shared.video.ffmpeg_program import ffmpeg_program, ffmpeg_version
from scripts.shared.video.frames import read_frames
from tests.bench.corpus import RATE, SETS, ClipSet, clips
from tests.bench.decode_worker import HEIGHT, WIDTH, burnt_number, cpu_s, spread
from tests.bench.table import Cell, Table

KINDS = ("H.264 360p, GOP 250, no cuts", "H.264 360p, GOP 250, cuts")
N_SOURCE_FRAMES = 3600  # two minutes
INTERVAL_S = 16
BEGINS_S = (0, 13.27, 27.9, 42.31, 58.04, 71.5, 88.88, 103.63)
ROUNDS = 3
FIELD_CUT = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-c:a", "aac")

Frames = NDArray[np.uint8]  # (16, HEIGHT, WIDTH, 3)


def run() -> Table:
    """Take turns, so that a slow machine slows all alike; the median counts."""
    return Table(
        title="Samples from whole videos",
        about=(
            "CPU seconds (user and system, ffmpeg's included, imports not) for sixteen frames at 160x256 of an "
            f"interval of {INTERVAL_S} s in a video of {N_SOURCE_FRAMES // RATE} s with sound: straight from the "
            "video, and by cutting the clip first (ffmpeg, x264 ultrafast crf 28, AAC) and decoding that, with a "
            f"seek to each frame by OpenCV or with our decoder. Mean over the intervals, each the median of {ROUNDS} "
            f"rounds in which the ways take turns. In brackets: frames of {16 * len(BEGINS_S)} that are not the ones "
            "asked for, read from numbers burnt into them."
        ),
        columns=[
            "videos",
            "intervals",
            "straight",
            "cut alone",
            "cut, OpenCV",
            "cut, our decoder",
            "cut, OpenCV / straight",
            "cut, our decoder / straight",
        ],
        rows=[_row(kind) for kind in KINDS],
        notes=[
            "Clips cut from between two frames on mostly lack the last frame, so that frames picked from them are "
            "shifted by one; of the others the frames are the same."
        ],
        versions={"ffmpeg": ffmpeg_version(ffmpeg_program())},
    )


def _row(kind: str) -> list[Cell]:
    source = _with_sound(SETS[kind])
    seconds: dict[str, list[float]] = {way: [] for way in ("straight", "cut", "cut_opencv", "cut_ours")}
    wrong = dict.fromkeys(seconds, 0)
    for begin in BEGINS_S:
        spent, frames = _measure(source, begin)
        for way in seconds:
            seconds[way].append(spent[way])
        asked = np.ceil(round(begin * RATE, 6)) + spread(INTERVAL_S * RATE)
        for way, pictures in frames.items():
            numbers = [burnt_number(picture) for picture in pictures]
            wrong[way] += int((np.array(numbers) != asked).sum())
    straight, cut, opencv, ours = (statistics.mean(spent) for spent in seconds.values())
    return [
        kind,
        len(BEGINS_S),
        f"{straight:.3f} ({wrong['straight']})",
        f"{cut:.3f}",
        f"{cut + opencv:.3f} ({wrong['cut_opencv']})",
        f"{cut + ours:.3f} ({wrong['cut_ours']})",
        (cut + opencv) / straight,
        (cut + ours) / straight,
    ]


def _with_sound(kind: ClipSet) -> Path:
    """A video of the corpus with noise for sound; made once and kept beside it."""
    (silent,) = clips(kind, (N_SOURCE_FRAMES,))
    path = silent.with_name(f"{silent.stem}_sound.mp4")
    if not path.exists():
        noise = f"anoisesrc=color=pink:amplitude=0.3:duration={N_SOURCE_FRAMES / RATE}"
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            unfinished = Path(folder) / path.name
            inputs = ("-i", silent, "-f", "lavfi", "-i", noise)
            _ffmpeg(*inputs, "-c:v", "copy", "-c:a", "aac", "-b:a", "128k", unfinished)
            unfinished.rename(path)
    return path


def _ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([ffmpeg_program(), "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


def _measure(source: Path, begin: float) -> tuple[dict[str, float], dict[str, Frames]]:
    """(median CPU seconds, frames) of each way for one interval."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        ways: dict[str, Callable[[], Frames | None]] = {
            "straight": partial(_read, source, interval=(begin, begin + INTERVAL_S)),
            "cut": partial(_cut, source, begin, clip),
            "cut_opencv": partial(_read, clip, decoder="opencv"),
            "cut_ours": partial(_read, clip),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        frames: dict[str, Frames] = {}
        for round_number in range(ROUNDS + 1):
            for way, work in ways.items():
                before = cpu_s()
                made = work()
                if round_number:  # the first one warms up
                    seconds[way].append(cpu_s() - before)
                if made is not None:
                    frames[way] = made
    return {way: statistics.median(spent) for way, spent in seconds.items()}, frames


def _cut(source: Path, begin: float, clip: Path) -> None:
    _ffmpeg("-ss", str(begin), "-i", source, "-t", str(INTERVAL_S), *FIELD_CUT, clip)


def _read(path: Path, *, decoder: str = "cpu", interval: tuple[float, float] | None = None) -> Frames:
    return read_frames(path, spread, height=HEIGHT, width=WIDTH, decoder=decoder, interval=interval).frames
