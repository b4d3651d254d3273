"""Mel power spectra on Slaney's scale, as librosa's `melspectrogram` gives them to the encoders of packages."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 16_000  # Hz
N_MELS = 40
HOP = 160  # samples: 10 ms
_BLOCK = 512  # frames at a time, as in `fbank`
_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0  # the scale is linear below and logarithmic above
_STEP = np.log(6.4) / 27  # of the logarithm a mel


def mel_power(samples: NDArray[np.float32], window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel power of each whole frame.

    Args:
        samples: (n,) float32 at 16 kHz.
        window: (n_fft,) float32.

    Returns:
        (T, 40) float32; T = 1 + (n - n_fft) // 160, or 0 for fewer than n_fft samples.
    """
    n_fft = len(window)
    n_frames = 1 + (len(samples) - n_fft) // HOP if len(samples) >= n_fft else 0
    power = np.empty((n_frames, N_MELS), np.float32)
    filters = mel_filters(n_fft)
    for first in range(0, n_frames, _BLOCK):
        part = samples[first * HOP :]
        frames = np.lib.stride_tricks.sliding_window_view(part, n_fft)[::HOP][:_BLOCK] * window
        spectrum = np.fft.rfft(frames)
        power[first : first + _BLOCK] = (spectrum.real**2 + spectrum.imag**2) @ filters
    return power


@cache
def mel_filters(n_fft: int) -> NDArray[np.float32]:
    """Triangles of area 1 whose 40 centres are evenly spaced on Slaney's scale, (1 + n_fft // 2, 40) float32."""
    edges = _hz(np.linspace(0, _mel(RATE / 2), N_MELS + 2))
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    hz = np.linspace(0, RATE / 2, n_fft // 2 + 1)[:, None]
    triangles = np.maximum(np.minimum((hz - left) / (centre - left), (right - hz) / (right - centre)), 0)
    return (triangles * 2 / (right - left)).astype(np.float32)


def _mel(hz: float) -> float:
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _STEP)  # of frequencies above the break


def _hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < _BREAK_MEL, mel * _BREAK_HZ / _BREAK_MEL, _BREAK_HZ * np.exp(_STEP * (mel - _BREAK_MEL)))
