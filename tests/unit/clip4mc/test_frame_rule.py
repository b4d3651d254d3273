import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scripts.clip4mc.frame_rule import pick_frames


def test_a_long_clip_gives_evenly_spaced_frames_with_first_and_last() -> None:
    assert pick_frames(300, 16).tolist() == [0, 19, 39, 59, 79, 99, 119, 139, 159, 179, 199, 219, 239, 259, 279, 299]


def test_a_short_clip_repeats_its_last_frame() -> None:
    assert pick_frames(3, 6).tolist() == [0, 1, 2, 2, 2, 2]


def test_a_clip_of_one_frame_repeats_it() -> None:
    assert pick_frames(1, 4).tolist() == [0, 0, 0, 0]


@given(n_frames=st.integers(1, 100_000), num_frames=st.integers(1, 200))
def test_picks_ascend_within_the_clip(n_frames: int, num_frames: int) -> None:
    picks = pick_frames(n_frames, num_frames)
    assert picks.shape == (num_frames,)
    assert picks[0] == 0
    assert picks.max() < n_frames
    assert (np.diff(picks) >= 0).all()
    if n_frames >= num_frames > 1:
        assert picks[-1] == n_frames - 1
        assert (np.diff(picks) > 0).all()
