"""One score a frame from one every so many frames."""

import numpy as np
import pytest

from scripts.fgclip.scoring.expand import expand

FRAMES = np.array([0, 4, 8])
SCORES = np.array([0.0, 4.0, 2.0], np.float32)


def test_between_scored_frames_the_score_moves_linearly_and_the_last_one_holds() -> None:
    expanded = expand(SCORES, FRAMES, 11, "linear")
    assert expanded.dtype == np.float32
    assert expanded.tolist() == [0, 1, 2, 3, 4, 3.5, 3, 2.5, 2, 2, 2]


def test_repeating_gives_a_frame_the_last_score_before_it() -> None:
    expanded = expand(SCORES, FRAMES, 11, "repeat")
    assert expanded.tolist() == [0, 0, 0, 0, 4, 4, 4, 4, 2, 2, 2]


@pytest.mark.parametrize("how", ["linear", "repeat"])
def test_a_video_of_one_frame_has_one_score(how: str) -> None:
    assert expand(SCORES[2:], FRAMES[:1], 1, how).tolist() == [2]


def test_another_way_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no expansion 'cubic'; choose one of linear, repeat"):
        expand(SCORES, FRAMES, 11, "cubic")
