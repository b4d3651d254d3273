import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.shared.errors import ConfigError
from scripts.speaker.encoders import resemblyzer
from scripts.speaker.encoders.resemblyzer import PARTIAL_FRAMES, ResemblyzerEncoder, partial_starts

# By VoiceEncoder.embed_utterance of Resemblyzer 0.1.4 from the same features: the largest five of 256.
GOLDEN = {
    90: {243: 0.21348, 20: 0.19812, 62: 0.19737, 172: 0.19197, 130: 0.19039},
    431: {120: 0.21953, 159: 0.20519, 168: 0.18263, 10: 0.1824, 188: 0.17089},
}
# By its VoiceEncoder.compute_partial_slices.
N_PARTIALS = {1: 1, 160: 1, 197: 1, 198: 2, 274: 2, 275: 3, 351: 3, 352: 4, 400: 4, 1000: 12}


@pytest.mark.parametrize("n_frames", GOLDEN)
def test_embeddings_are_those_of_the_package(n_frames: int) -> None:
    features = np.abs(np.random.default_rng(n_frames).normal(scale=0.05, size=(n_frames, 40))).astype(np.float32)
    embedding = ResemblyzerEncoder(name="resemblyzer").embed(features[None])[0]
    for place, value in GOLDEN[n_frames].items():
        assert embedding[place] == pytest.approx(value, abs=2e-5)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("n_frames", N_PARTIALS)
def test_partial_utterances_are_those_of_the_package(n_frames: int) -> None:
    assert partial_starts(n_frames) == [77 * i for i in range(N_PARTIALS[n_frames])]


def test_partial_utterances_cover_all_but_a_rest_too_short_to_judge() -> None:
    for n_frames in range(1, 700):
        starts = partial_starts(n_frames)
        assert len(starts) == 1 or n_frames - 1 - starts[-1] >= 0.75 * PARTIAL_FRAMES
        assert n_frames - 1 - starts[-1] < 0.75 * PARTIAL_FRAMES + 77


def test_a_long_recording_is_run_in_pieces_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    features = np.abs(np.random.default_rng(1).normal(scale=0.05, size=(1, 900, 40))).astype(np.float32)
    encoder = ResemblyzerEncoder(name="resemblyzer")
    whole = encoder.embed(features)
    monkeypatch.setattr(resemblyzer, "_PARTIALS_A_RUN", 3)
    assert np.allclose(encoder.embed(features), whole, atol=1e-6)


def test_the_package_is_never_imported() -> None:
    ResemblyzerEncoder(name="resemblyzer")
    assert "resemblyzer" not in sys.modules


def test_other_weights_in_the_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "pretrained.pt"
    torch.save({"model_state": {"linear.weight": torch.zeros(2, 2)}}, weights)
    monkeypatch.setattr(resemblyzer, "packaged_weights", lambda _: weights)
    with pytest.raises(ConfigError, match=r"pretrained\.pt: not the weights of Resemblyzer's encoder"):
        ResemblyzerEncoder(name="resemblyzer")
