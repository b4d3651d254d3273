import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scripts.fgclip.training.sampling import frame_bins, frames_of


@given(start=st.integers(0, 10_000), length=st.integers(1, 5000), n=st.integers(1, 300))
def test_the_parts_are_the_whole_span_and_differ_by_one_frame_at_most(start: int, length: int, n: int) -> None:
    bins = frame_bins((start, start + length), n)
    assert len(bins) == min(n, length)
    assert (bins[0, 0], bins[-1, 1]) == (start, start + length)
    assert (bins[1:, 0] == bins[:-1, 1]).all()
    sizes = bins[:, 1] - bins[:, 0]
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1


@given(length=st.integers(1, 500), n=st.integers(1, 64), seed=st.integers(0, 99))
def test_one_frame_of_each_part_is_taken(length: int, n: int, seed: int) -> None:
    bins = frame_bins((0, length), n)
    for frames in (frames_of(bins, None), frames_of(bins, np.random.default_rng(seed))):
        assert (bins[:, 0] <= frames).all()
        assert (frames < bins[:, 1]).all()


def test_the_end_of_a_long_video_is_seen() -> None:
    """Defect D1 of the guide's program: only the first 512 frames were ever decoded."""
    frames = frames_of(frame_bins((0, 100_000), 256), None)
    assert frames[-1] > 99_000
    assert np.diff(frames).max() <= 392


def test_a_span_of_one_frame_gives_it() -> None:
    """Defect D5 of the guide's program: a region of one frame raised."""
    assert frames_of(frame_bins((7, 8), 256), None).tolist() == [7]


def test_middle_frames_are_those_in_the_middle() -> None:
    assert frames_of(frame_bins((0, 9), 3), None).tolist() == [1, 4, 7]
