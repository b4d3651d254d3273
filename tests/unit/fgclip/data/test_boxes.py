import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.fgclip.data.boxes import box_at
from scripts.fgclip.data.records import Key, Region


def region(*keys: tuple[int, float, bool], start: int | None = None, end: int | None = None) -> Region:
    """A region whose box is as far from the left as its keyframes say."""
    return Region("a car", start, end, tuple(Key(frame, x, 0.2, x + 0.3, 0.8, enabled) for frame, x, enabled in keys))


def left(of: Region, frame: int, bin_frames: tuple[int, int] | None = None) -> float | None:
    box = box_at(of, frame, bin_frames=bin_frames)
    return None if box is None else round(box[0], 6)


def test_a_box_moves_linearly_between_keyframes() -> None:
    moving = region((10, 0.0, True), (20, 0.5, True), (30, 0.1, True))
    assert [left(moving, frame) for frame in (9, 10, 15, 20, 25, 30, 31)] == [None, 0.0, 0.25, 0.5, 0.3, 0.1, None]
    assert box_at(moving, 15, bin_frames=None) == pytest.approx((0.25, 0.2, 0.55, 0.8))


def test_no_box_is_seen_after_a_keyframe_that_is_not_enabled_until_the_next() -> None:
    """Defect D2 of the guide's program: it ignored `enabled` and moved boxes through the gaps."""
    with_gap = region((0, 0.0, True), (10, 0.1, False), (50, 0.6, True), (60, 0.5, False))
    seen = [frame for frame in range(70) if left(with_gap, frame) is not None]
    assert seen == [*range(10), *range(50, 60)]
    assert left(region((0, 0.0, True), (10, 0.1, True)), 10) == 0.1


def test_one_keyframe_holds_over_the_frames_of_its_region() -> None:
    """Defect D4 of the guide's program: a single keyframe was nearly never valid."""
    single = region((30, 0.4, True), start=20, end=40)
    assert [left(single, frame) for frame in (19, 20, 30, 40, 41)] == [None, 0.4, 0.4, 0.4, None]


def test_one_keyframe_without_frames_is_seen_in_the_bin_that_holds_it() -> None:
    """Defect D4 of the guide's program: sampling would hit the one frame by chance alone."""
    single = region((30, 0.4, True))
    assert [left(single, 27, bin_frames) for bin_frames in [(24, 32), (16, 30), (30, 31)]] == [0.4, None, 0.4]
    assert [left(single, frame) for frame in (29, 30, 31)] == [None, 0.4, None]
    assert left(region((30, 0.4, False)), 30) is None


def test_a_region_without_keyframes_has_no_box() -> None:
    assert left(region(start=0, end=9), 5) is None


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.floats(0, 0.7), st.booleans()), unique_by=lambda key: key[0]),
    st.integers(0, 40),
)
def test_a_box_never_leaves_the_frame_nor_the_keyframes_around_it(
    keys: list[tuple[int, float, bool]], frame: int
) -> None:
    keys = sorted(keys)
    found = left(region(*keys), frame)
    if found is not None:
        near = [x for at, x, _ in keys if at <= frame][-1:] + [x for at, x, _ in keys if at >= frame][:1]
        assert min(near) - 1e-5 <= found <= max(near) + 1e-5
