"""Small audio files of every kind, sound and odd, made on the spot."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Make = Callable[[Path], None]

BIT_RATE = 48_000  # a channel
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@cache
def voice(seconds: float = 2.0, rate: int = 16000) -> Samples:
    """Something like a voice, (n,) float32 with all its power under 3.5 kHz: harmonics that glide, in syllables."""
    t = np.arange(round(seconds * rate)) / rate
    turns = 110 * t - 40 / (2 * np.pi * 0.7) * np.cos(2 * np.pi * 0.7 * t)
    phases = np.random.default_rng(3).uniform(0, 2 * np.pi, 21)
    tones = [np.sin(2 * np.pi * k * turns + phases[k]) / k for k in range(1, 21)]
    loudness = 0.15 * (0.6 + 0.4 * np.sin(2 * np.pi * 3.1 * t + 1))
    return (loudness * np.sum(tones, axis=0)).astype(np.float32)


def channels(n_channels: int, seconds: float = 2.0, rate: int = 16000) -> Samples:
    """The voice at another loudness in each channel, (n, channels); the mean of all is `voice`."""
    weights = np.linspace(0.6, 1.4, n_channels, dtype=np.float32) if n_channels > 1 else np.ones(1, np.float32)
    return voice(seconds, rate)[:, None] * weights


def encode(path: Path, samples: Samples, rate: int, codec: str, **options: str) -> None:
    """Encode (n, channels) samples with FFmpeg's encoder `codec`, the container by the file's suffix."""
    layout = LAYOUTS[samples.shape[1]]
    container_options = {
        key: value for key, value in options.items() if key in ("movflags", "write_xing", "id3v2_version")
    }
    with av.open(str(path), "w", container_options=container_options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = BIT_RATE * samples.shape[1]
        stream.codec_context.options = {key: options[key] for key in options.keys() - container_options.keys()}
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples.reshape(1, -1)), format="flt", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        for packet in stream.encode(frame):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


# Encoder by suffix; None: written by libsndfile.
CODECS = {
    ".wav": None,
    ".flac": None,
    ".mp3": "libmp3lame",
    ".ogg": None,
    ".opus": "libopus",
    ".m4a": "aac",
    ".aac": "aac",
    ".wma": "wmav2",
}


def write(path: Path, samples: Samples, rate: int = 16000, **options: str) -> Path:
    """Write (n, channels) or (n,) samples in the format of the path's suffix."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    codec = CODECS[path.suffix]
    if codec is None:
        soundfile.write(
            path, samples, rate, subtype=options.get("subtype", "VORBIS" if path.suffix == ".ogg" else "PCM_16")
        )
    else:
        encode(path, samples, rate, codec, **options)
    return path
