"""The front ends of packages' encoders, against a plain evaluation in float64 and by what they are for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.shared.audio.reading import read_audio
from scripts.speaker.encoders.choice import load_encoder
from scripts.speaker.encoders.model_folder import inspect_model
from scripts.speaker.front_end import dvector, mel_power, resemblyzer
from scripts.speaker.front_end.choice import front_end
from tests.odd_audio import voice

AUDIO = Path(__file__).parents[3] / "data" / "demo" / "speaker" / "audio"
Features = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def slaney_edges() -> NDArray[np.float64]:
    """The 42 edges in Hz: 200/3 Hz a mel up to 1000 Hz, then 27 mels for each factor 6.4."""
    top = 15 + 27 * np.log(8) / np.log(6.4)
    mels = np.arange(42) * top / 41
    return np.array([mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27) for mel in mels])


def plain_mel_power(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """(40,) of one windowed frame, by the sums of the definitions."""
    n_fft = len(frame)
    n, k = np.arange(n_fft), np.arange(n_fft // 2 + 1)
    power = np.abs(np.exp(-2j * np.pi * k[:, None] * n / n_fft) @ frame) ** 2
    hz = k * 16000 / n_fft
    edges = slaney_edges()
    return np.array(
        [power @ np.interp(hz, edges[b : b + 3], [0, 2 / (edges[b + 2] - edges[b]), 0], 0, 0) for b in range(40)]
    )


def test_resemblyzers_features_are_mel_power_around_every_ten_milliseconds() -> None:
    signal = 0.9 * voice()
    got = resemblyzer.features(signal)
    assert (got.shape, got.dtype) == ((201, 40), np.float32)
    padded = np.pad(signal.astype(np.float64), 200)
    window = np.sin(np.pi * np.arange(400) / 400) ** 2
    for t in (0, 1, 77, 200):
        expected = plain_mel_power(padded[t * 160 : t * 160 + 400] * window)
        np.testing.assert_allclose(got[t], expected, rtol=1e-3, atol=1e-6)


def test_the_d_vectors_features_are_the_logarithm_of_mel_power() -> None:
    signal = voice()
    got = dvector.features(signal)
    assert (got.shape, got.dtype) == ((1 + (32000 - 512) // 160, 40), np.float32)
    window = np.zeros(512)
    window[56:456] = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 400)
    for t in (0, 1, 77, 196):
        expected = np.log10(plain_mel_power(signal[t * 160 : t * 160 + 512].astype(np.float64) * window) + 1e-10)
        np.testing.assert_allclose(got[t], expected, atol=2e-3)


def test_a_quiet_signal_is_raised_for_resemblyzer_and_a_loud_one_is_left() -> None:
    loud = voice()
    assert np.sqrt(np.mean(loud**2)) > 10**-1.5
    np.testing.assert_allclose(resemblyzer.features(2 * loud), 4 * resemblyzer.features(loud), rtol=1e-4)
    raised = resemblyzer.features(loud / 100)
    np.testing.assert_allclose(resemblyzer.features(loud / 1000), raised, rtol=1e-4, atol=1e-8)
    assert raised.sum() == pytest.approx(resemblyzer.features(loud).sum() * 1e-3 / np.mean(loud**2), rel=1e-3)


@pytest.mark.parametrize("features", [resemblyzer.features, dvector.features])
@given(n=st.integers(0, 2000))
def test_features_of_any_length_are_finite(features: Features, n: int) -> None:
    got = features(np.zeros(n, np.float32))
    assert got.shape[1] == 40
    assert np.isfinite(got).all()
    assert len(got) == (1 + n // 160 if features is resemblyzer.features else max(0, 1 + (n - 512) // 160))


def test_blocks_of_frames_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = dvector.features(voice())
    monkeypatch.setattr(mel_power, "_BLOCK", 50)
    np.testing.assert_allclose(dvector.features(voice()), whole, atol=1e-5)


@pytest.mark.parametrize("runtime", ["dvector", "resemblyzer"])
def test_persons_are_told_apart(runtime: str) -> None:
    """A natural logarithm in place of that to base 10, or another floor, confuses them for the d-vectors."""
    model = inspect_model("", runtime)
    settings = {"runtime": runtime, "model": model.name, "model_digest": model.digest, "precision": "float32"}
    encoder, compute = load_encoder(settings, ""), front_end(settings)
    sets = ("allison_en", "carlo_it", "ivr_ru")
    paths = [path for name in sets for path in sorted((AUDIO / name).glob("*.flac"))[:2]]
    embeddings = np.concatenate([encoder.embed(compute(read_audio(path).samples[:64000])[None]) for path in paths])
    alike = embeddings @ embeddings.T
    same = np.kron(np.eye(len(sets)), np.ones((2, 2))) > 0
    assert alike[same].min() > alike[~same].max() + 0.05


def test_the_runtime_chooses_the_front_end() -> None:
    wespeaker = front_end({"runtime": "onnx", "window": "povey", "scale": 1})
    assert (wespeaker.window, wespeaker.scale, wespeaker(voice()).shape[1]) == ("povey", 1, 80)
    package = front_end({"runtime": "resemblyzer", "window": "povey", "scale": 32768})
    assert (package.window, package.scale, package(voice()).shape[1]) == ("hann", 1, 40)
