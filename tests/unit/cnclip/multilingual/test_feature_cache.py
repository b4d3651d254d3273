"""Vectors that are computed once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.cnclip.multilingual import feature_cache
from scripts.cnclip.multilingual.feature_cache import cached_features

TEXTS = ["a", "bb", "a", "ccc", "dddd", "bb"]


class Encoder:
    """A text's vector is its length; counts what it is asked."""

    def __init__(self, breaks_after: int = 100) -> None:
        self.asked: list[str] = []
        self.breaks_after = breaks_after

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(self.asked) >= self.breaks_after:
            raise KeyboardInterrupt
        self.asked += texts
        return np.array([[len(text)] for text in texts], np.float32)


@pytest.fixture(autouse=True)
def _two_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_cache, "_BLOCK", 2)


def test_each_text_is_encoded_once_and_found_again(tmp_path: Path) -> None:
    encoder = Encoder()
    for _ in range(2):
        found = cached_features(TEXTS, encoder, identity="x", folder=tmp_path)
        assert found[:, 0].tolist() == [1, 2, 1, 3, 4, 2]
    assert encoder.asked == ["a", "bb", "ccc", "dddd"]


def test_what_was_computed_before_a_break_is_not_computed_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        cached_features(TEXTS, Encoder(breaks_after=2), identity="x", folder=tmp_path)
    encoder = Encoder()
    cached_features(TEXTS, encoder, identity="x", folder=tmp_path)
    assert encoder.asked == ["ccc", "dddd"]


def test_another_encoder_s_vectors_are_not_taken(tmp_path: Path) -> None:
    cached_features(TEXTS, Encoder(), identity="x", folder=tmp_path)
    encoder = Encoder()
    cached_features(TEXTS, encoder, identity="y", folder=tmp_path)
    assert len(encoder.asked) == 4
