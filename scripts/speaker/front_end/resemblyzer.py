"""The features of Resemblyzer's encoder.

As its package's `audio.py` has them, but for one step: it cuts long silences out by webrtcvad first, and here nothing
is cut.
"""

import numpy as np
from numpy.typing import NDArray

from scripts.speaker.front_end import mel_power

WINDOW = "hann"
FRAME = 400  # samples: 25 ms
_LOUDNESS = 10 ** (-30 / 20)  # -30 dBFS, root mean square


def features(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mel power, not its logarithm, of frames around every 10 ms; a quieter signal is first raised to -30 dBFS.

    Args:
        samples: (n,) float32 mono at 16 kHz, full scale 1.

    Returns:
        (T, 40) float32; T = 1 + n // 160. Beyond both ends the signal counts as zero.
    """
    loudness = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    gain = _LOUDNESS / loudness if 0 < loudness < _LOUDNESS else 1.0
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
    return mel_power.mel_power(np.pad(samples, FRAME // 2) * np.float32(gain), window)
