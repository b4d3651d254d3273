"""Reading one recording: mono, 16 kHz, whole."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scripts.shared.audio.decoding import Decoded, open_decoder
from scripts.shared.audio.resampling import resampler as make_resampler
from scripts.shared.errors import SampleError

RATE = 16_000  # Hz of what is given
SILENCE = 1e-4  # peak under which a recording holds nothing to hear
_CANCELLED = 1e-2  # power of the mix by what channels without relation would give: 20 dB, as AAC leaves up to -28
_RATES = range(2_000, 1_000_001)  # Hz of what is taken; the header decides how much memory the resampled signal needs
_LONGEST_S = 24 * 3600


@dataclass(frozen=True)
class Audio:
    """A recording.

    Attributes:
        samples: float32 (n,) mono at 16 kHz; full scale is 1, louder is kept.
        duration: of the recording in seconds, before resampling.
        sample_rate: of the file, in Hz.
        channels: in the file.
        decoder: "soundfile" or "pyav".
        channel: "mean" of the channels, or "0" for the first alone.
    """

    samples: NDArray[np.float32]
    duration: float
    sample_rate: int
    channels: int
    decoder: str
    channel: str


def read_audio(path: Path, *, channel: str = "mean", resampler: str = "soxr") -> Audio:
    """Read a recording of any format, rate and number of channels.

    It is decoded, mixed and resampled block by block: memory is needed for what is given, not for the file.

    Args:
        path: the file.
        channel: "mean" of all channels, or "0" for the first. Where the mean is silent because the channels cancel each
            other, the first is taken and `Audio.channel` says so.
        resampler: "soxr" or "sinc"; see `resampling`.

    Raises:
        SampleError: what `open_decoder` raises; `silent`, `not_finite_samples`, `unsupported`, `too_long`.
    """
    audio, cancelled = _read(path, channel, resampler)
    if cancelled:
        audio, _ = _read(path, "0", resampler)
    return audio


def _read(path: Path, channel: str, resampler: str) -> tuple[Audio, bool]:
    """The recording, and whether its channels cancel each other."""
    with open_decoder(path) as decoded:
        _check_rate(path, decoded)
        resample = make_resampler(resampler, decoded.sample_rate, RATE)
        signal = bytearray()  # grows in place, where joining arrays would need twice the memory
        n_samples, peak, power, unrelated = 0, 0.0, 0.0, 0.0
        for block in decoded.blocks:
            mono = _mix(block) if channel == "mean" else np.ascontiguousarray(block[:, 0])
            if not np.isfinite(mono).all():
                at = (n_samples + int(np.argmin(np.isfinite(mono)))) / decoded.sample_rate
                raise SampleError("not_finite_samples", f"{path.name}: NaN or infinity {at:.3f} s in; export it again")
            n_samples += len(block)
            if n_samples > _LONGEST_S * decoded.sample_rate:
                raise SampleError("too_long", f"{path.name}: longer than {_LONGEST_S // 3600} hours; split it")
            peak = max(peak, float(mono.max()), -float(mono.min()))
            if channel == "mean" and block.shape[1] > 1:
                power += _power(mono)
                unrelated += _power(block) / block.shape[1] ** 2
            signal += resample(mono).data
        signal += resample(np.empty(0, np.float32), last=True).data
    cancelled = power < _CANCELLED * unrelated
    if peak < SILENCE and not cancelled:
        raise SampleError("silent", f"{path.name}: silent (its peak is {peak:.1g} of full scale); leave it out")
    audio = Audio(
        np.frombuffer(signal, np.float32),
        n_samples / decoded.sample_rate,
        decoded.sample_rate,
        decoded.channels,
        decoded.decoder,
        channel,
    )
    return audio, cancelled


def _check_rate(path: Path, decoded: Decoded) -> None:
    if decoded.sample_rate not in _RATES:
        raise SampleError(
            "unsupported",
            f"{path.name}: its header says {decoded.sample_rate} Hz, which is not from {_RATES[0]} to {_RATES[-1]}",
        )


def _mix(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the channels, (n,), of an (n, channels) block; column by column, which is quicker than `mean`."""
    mono = block[:, 0].copy()
    for channel in range(1, block.shape[1]):
        mono += block[:, channel]
    mono /= np.float32(block.shape[1])
    return mono


def _power(samples: NDArray[np.float32]) -> float:
    return float(np.vdot(samples, samples))
