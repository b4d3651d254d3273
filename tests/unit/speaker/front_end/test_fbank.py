"""Golden features of torchaudio's Kaldi filter banks, kaldi-native-fbank as a second opinion, and what must hold."""

import hashlib
from functools import cache
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.shared.audio.reading import read_audio
from scripts.speaker.front_end.fbank import fbank, mel_filters

DATA = Path(__file__).parents[3] / "data"
GOLDEN = DATA / "golden" / "wespeaker"
ATOL = 0.012


@cache
def golden(name: str) -> NDArray[np.float32]:
    with np.load(GOLDEN / "golden_fbank.npz") as arrays:
        array: NDArray[np.float32] = arrays[name]
        return array


def recording(number: int) -> Path:
    folder, name = str(golden("utterances")[number]).split("/")
    return GOLDEN / "audio" / name if folder == "librivox" else DATA / "demo" / "speaker" / "audio" / folder / name


@cache
def samples(number: int) -> NDArray[np.float32]:
    return read_audio(recording(number)).samples


@cache
def plain(number: int) -> NDArray[np.float32]:
    return fbank(samples(number), mean_norm=False)


def kaldi(signal: NDArray[np.float32], window: str, scale: int) -> NDArray[np.float32]:
    """The features by another implementation."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.window_type = window
    options.mel_opts.num_bins = 80
    computer = kaldi_native_fbank.OnlineFbank(options)
    computer.accept_waveform(16000, (signal * scale).tolist())
    return np.array([computer.get_frame(number) for number in range(computer.num_frames_ready)])


@pytest.mark.parametrize("number", range(3))
def test_features_equal_those_of_torchaudio(number: int) -> None:
    np.testing.assert_allclose(plain(number), golden(f"utt{number}/hamming_int16_raw"), atol=ATOL)
    povey = fbank(samples(number), window="povey", scale=1)
    np.testing.assert_allclose(povey, golden(f"utt{number}/povey_unit_cmn"), atol=ATOL)


def test_features_are_nearer_to_torchaudio_than_the_tolerance_asks() -> None:
    """Constants that are slightly off would hide within it."""
    worst = max(np.abs(plain(number) - golden(f"utt{number}/hamming_int16_raw")).max() for number in range(3))
    assert worst < 1e-3


@pytest.mark.parametrize("window", ["hamming", "povey"])
@pytest.mark.parametrize("scale", [32768, 1])
def test_features_equal_those_of_kaldi_native_fbank(window: str, scale: int) -> None:
    signal = samples(0)
    got = fbank(signal, window=window, scale=scale, mean_norm=False)
    np.testing.assert_allclose(got, kaldi(signal, window, scale), atol=ATOL)


def test_silence_has_the_logarithm_of_the_floor() -> None:
    signal = np.zeros(4000, np.float32)
    np.testing.assert_allclose(fbank(signal, mean_norm=False), np.log(np.float32(1.1920929e-7)), rtol=1e-6)
    np.testing.assert_allclose(kaldi(signal, "hamming", 1), fbank(signal, mean_norm=False), atol=1e-5)


@given(n=st.integers(0, 3000))
def test_frames_are_whole_windows(n: int) -> None:
    assert fbank(np.ones(n, np.float32)).shape == ((1 + (n - 400) // 160) if n >= 400 else 0, 80)


@given(first=st.integers(0, 700), n_frames=st.integers(1, 30))
def test_a_frame_depends_on_its_own_400_samples_only(first: int, n_frames: int) -> None:
    """Also where frames are computed in blocks."""
    part = fbank(samples(1)[first * 160 : (first + n_frames - 1) * 160 + 400], mean_norm=False)
    np.testing.assert_allclose(part, plain(1)[first : first + n_frames], atol=2e-3)


def test_the_mean_over_time_is_taken_from_each_band() -> None:
    np.testing.assert_allclose(fbank(samples(0)).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(fbank(samples(0)), plain(0) - plain(0).mean(axis=0), atol=1e-4)


def test_a_constant_offset_changes_nothing() -> None:
    np.testing.assert_allclose(fbank(samples(0) + np.float32(0.1)), fbank(samples(0)), atol=0.05)


def test_the_last_frequency_is_in_no_filter() -> None:
    assert mel_filters().shape == (257, 80)
    assert not mel_filters()[[0, 256]].any()
    assert (mel_filters().max(axis=0) > 0.4).all()


def test_the_recordings_are_those_of_the_golden_features() -> None:
    for number in range(3):
        assert hashlib.sha256(recording(number).read_bytes()).hexdigest() == golden("sha256")[number]
