import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.shared.audio.resampling import resampler


def sinc_formula(x: NDArray[np.float64], from_rate: int, to_rate: int) -> NDArray[np.float64]:
    """The windowed sinc, an output at a time, in float64."""
    cut_off = min(from_rate, to_rate) * 0.99
    n = np.arange(len(x))
    out = []
    for m in range(-(-len(x) * to_rate // from_rate)):
        t = (m / to_rate - n / from_rate) * cut_off
        h = cut_off / from_rate * np.sinc(t) * np.cos(np.pi * t / 12) ** 2 * (np.abs(t) < 6)
        out.append(float(x @ h))
    return np.array(out)


def in_blocks(x: NDArray[np.float32], lengths: list[int], kind: str, from_rate: int) -> NDArray[np.float32]:
    resample = resampler(kind, from_rate, 16000)
    cuts = np.minimum(np.cumsum(lengths, dtype=int), len(x))
    parts = [resample(part) for part in np.split(x, cuts)]
    return np.concatenate([*parts, resample(x[:0], last=True)])


def noise(n: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(n).astype(np.float32)


@pytest.mark.parametrize("rate", [2000, 8000, 11025, 12345, 22050, 44100, 48000, 96000])
def test_the_windowed_sinc_is_that_of_its_formula(rate: int) -> None:
    x = noise(600)
    np.testing.assert_allclose(in_blocks(x, [], "sinc", rate), sinc_formula(x.astype(float), rate, 16000), atol=2e-6)


@given(
    lengths=st.lists(st.integers(0, 300), max_size=8),
    rate=st.sampled_from([8000, 44100, 48000, 7919]),
    kind=st.sampled_from(["soxr", "sinc"]),
)
def test_the_blocks_do_not_matter(lengths: list[int], rate: int, kind: str) -> None:
    x = noise(700)
    np.testing.assert_allclose(in_blocks(x, lengths, kind, rate), in_blocks(x, [], kind, rate), atol=1e-6)


def test_soxr_is_its_high_quality_recipe() -> None:
    x = noise(5000)
    np.testing.assert_array_equal(in_blocks(x, [1000], "soxr", 44100), soxr.resample(x, 44100, 16000, quality="HQ"))


@pytest.mark.parametrize("kind", ["soxr", "sinc"])
def test_a_signal_of_the_wanted_rate_stays_as_it_is(kind: str) -> None:
    x = noise(500)
    np.testing.assert_array_equal(in_blocks(x, [100], kind, 16000), x)


@pytest.mark.parametrize("kind", ["soxr", "sinc"])
def test_a_tone_keeps_its_place_and_its_loudness(kind: str) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100).astype(np.float32)
    expected = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    got = in_blocks(tone, [10000], kind, 44100)
    assert len(got) == 16000
    np.testing.assert_allclose(got[200:-200], expected[200:-200], atol=2e-3)
