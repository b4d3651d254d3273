"""Windows cover every frame, overlap by half, and stay within the video."""

import pytest

from scripts.fgclip.scoring.windows import window_starts


@pytest.mark.parametrize(
    ("n", "length", "starts"),
    [(1, 8, [0]), (8, 8, [0]), (9, 8, [0, 1]), (12, 8, [0, 4]), (17, 8, [0, 4, 8, 9]), (3, 1, [0, 1, 2])],
)
def test_windows_begin_every_half_length_and_the_last_one_ends_with_the_video(
    n: int, length: int, starts: list[int]
) -> None:
    assert window_starts(n, length) == starts


@pytest.mark.parametrize("length", [1, 2, 3, 8])
def test_no_frame_is_left_out(length: int) -> None:
    for n in range(1, 40):
        seen = {frame for start in window_starts(n, length) for frame in range(start, min(n, start + length))}
        assert seen == set(range(n))
