"""Resampling a mono signal that comes in blocks."""

import math
from typing import Protocol

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_ZERO_CROSSINGS = 6  # on each side of the windowed sinc
_ROLLOFF = 0.99  # cut-off as a part of the lower Nyquist frequency


class Resampler(Protocol):
    """Takes a signal block by block and gives it at another rate; the blocks' lengths do not matter."""

    def __call__(self, samples: Samples, *, last: bool = False) -> Samples:
        """Take the next samples, (n,) float32, and give what can be given; all that is left with `last`."""
        ...


def resampler(kind: str, from_rate: int, to_rate: int) -> Resampler:
    """A resampler for one signal.

    Args:
        kind: "soxr" (its HQ recipe) or "sinc".
        from_rate: of the signal, in Hz.
        to_rate: wanted, in Hz.
    """
    if from_rate == to_rate:
        return _unchanged
    return SincResampler(from_rate, to_rate) if kind == "sinc" else SoxrResampler(from_rate, to_rate)


def _unchanged(samples: Samples, *, last: bool = False) -> Samples:  # noqa: ARG001 - a Resampler
    return samples


class SoxrResampler:
    """The SoX resampler library, HQ."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")

    def __call__(self, samples: Samples, *, last: bool = False) -> Samples:
        """See `Resampler`."""
        resampled: Samples = self._stream.resample_chunk(samples, last=last)
        return resampled


class SincResampler:
    """A sinc under a Hann window, six zero crossings a side: what torchaudio resamples with unless told otherwise.

    With r = min(from_rate, to_rate) * 0.99, output m is the sum over inputs n of x[n] h(m / to_rate - n / from_rate),
    h(t) = r / from_rate * sinc(r t) * cos(pi r t / 12)^2 where |r t| < 6, else 0; x is 0 outside the signal. The
    number of outputs is that of the inputs * to_rate / from_rate, rounded up.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        divisor = math.gcd(from_rate, to_rate)
        self._step, self._n_phases = from_rate // divisor, to_rate // divisor
        cut_off = min(self._step, self._n_phases) * _ROLLOFF
        self._width = math.ceil(_ZERO_CROSSINGS * self._step / cut_off)
        phases = np.arange(self._n_phases)
        self._first = phases * self._step // self._n_phases  # input at or before each output of one period
        offsets = self._first[:, None] + np.arange(-self._width, self._width + 1)
        t = (phases[:, None] / self._n_phases - offsets / self._step) * cut_off
        window = np.cos(t * np.pi / _ZERO_CROSSINGS / 2) ** 2 * (np.abs(t) < _ZERO_CROSSINGS)
        self._kernels = (np.sinc(t) * window * cut_off / self._step).astype(np.float32)  # (phases, taps)
        self._held: Samples = np.zeros(self._width, np.float32)
        self._n_in = self._n_out = 0

    def __call__(self, samples: Samples, *, last: bool = False) -> Samples:
        """See `Resampler`."""
        self._n_in += len(samples)
        after = np.zeros(self._width + self._step if last else 0, np.float32)
        held = np.concatenate([self._held, samples, after])
        # A period of `n_phases` outputs needs `step` inputs and `width` more on each side.
        n_periods = max((len(held) - 2 * self._width) // self._step, 0)
        out = np.empty((n_periods, self._n_phases), np.float32)
        if n_periods:
            windows = sliding_window_view(held, self._kernels.shape[1])
            for phase, (first, kernel) in enumerate(zip(self._first, self._kernels, strict=True)):
                out[:, phase] = windows[first :: self._step][:n_periods] @ kernel
        self._held = held[n_periods * self._step :]
        resampled = out.reshape(-1)
        if last:
            n_wanted = -(-self._n_in * self._n_phases // self._step)
            resampled = resampled[: n_wanted - self._n_out]
        self._n_out += len(resampled)
        return resampled
