"""Kaldi's log mel filter banks, as WeSpeaker's models take them."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # Hz
N_MELS = 80
FRAME = 400  # samples: 25 ms
HOP = 160  # samples: 10 ms
_FFT = 512
_LOW_HZ, _HIGH_HZ = 20.0, 8000.0
_PREEMPHASIS = np.float32(0.97)
_FLOOR = np.float32(1.1920929e-07)  # float32's epsilon
_BLOCK = 512  # frames at a time: their work stays in the processor's cache, and files of hours need little more memory


def fbank(
    samples: NDArray[np.float32], *, window: str = "hamming", scale: int = 32768, mean_norm: bool = True
) -> NDArray[np.float32]:
    """Log mel energies of frames of 25 ms every 10 ms, without dither.

    Args:
        samples: (n,) float32 mono at 16 kHz, full scale 1.
        window: "hamming" or "povey" (a Hann window to the power 0.85).
        scale: what samples are multiplied by first: 32768 for the range of 16 bit, or 1.
        mean_norm: take the mean over time from each of the 80 bands.

    Returns:
        (T, 80) float32; T = 1 + (n - 400) // 160, or 0 for fewer than 400 samples.
    """
    n_frames = 1 + (len(samples) - FRAME) // HOP if len(samples) >= FRAME else 0
    features = np.empty((n_frames, N_MELS), np.float32)
    shape, filters = analysis_window(window), mel_filters()
    for first in range(0, n_frames, _BLOCK):
        part = samples[first * HOP :]
        frames = np.lib.stride_tricks.sliding_window_view(part, FRAME)[::HOP][:_BLOCK] * np.float32(scale)
        frames -= frames.mean(axis=1, keepdims=True)
        emphasised = np.empty_like(frames)
        emphasised[:, 1:] = frames[:, 1:] - _PREEMPHASIS * frames[:, :-1]
        emphasised[:, 0] = frames[:, 0] - _PREEMPHASIS * frames[:, 0]  # the first sample counts as its own predecessor
        emphasised *= shape
        spectrum = np.fft.rfft(emphasised, _FFT)
        power = spectrum.real**2 + spectrum.imag**2
        np.log(np.maximum(power @ filters, _FLOOR), out=features[first : first + _BLOCK])
    if mean_norm and n_frames:
        features -= features.mean(axis=0, dtype=np.float64).astype(np.float32)
    return features


@cache
def analysis_window(name: str) -> NDArray[np.float32]:
    """A symmetric window of 400 samples, float32."""
    turn = np.cos(2 * np.pi * np.arange(FRAME) / (FRAME - 1))
    shape = 0.54 - 0.46 * turn if name == "hamming" else (0.5 - 0.5 * turn) ** 0.85
    return shape.astype(np.float32)


@cache
def mel_filters() -> NDArray[np.float32]:
    """Triangles of equal width on the mel scale, (257, 80) float32; the last frequency is in none."""
    low, high = _mel(np.array([_LOW_HZ, _HIGH_HZ]))
    edges = low + (high - low) / (N_MELS + 1) * np.arange(N_MELS + 2)
    mel = _mel(np.arange(_FFT // 2 + 1) * (RATE / _FFT))[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((mel - left) / (centre - left), (right - mel) / (right - centre))
    filters: NDArray[np.float32] = np.maximum(triangles, 0).astype(np.float32)
    return filters


def _mel(hz: NDArray[Any]) -> NDArray[Any]:
    return 1127 * np.log(1 + hz / 700)
