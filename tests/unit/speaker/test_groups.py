"""Recordings of one length go together, at a shape that the length alone sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.speaker.groups import Group, Window, batch_rows, stack

LENGTHS = st.lists(st.integers(9, 40) | st.integers(9, 40_000), max_size=120)


def group_all(lengths: list[int], batch_seconds: float, most_items: int, most_bytes: int) -> list[Group[int]]:
    """The groups of items 0, 1, ... of these lengths; a frame is four bytes."""
    window: Window[int] = Window(batch_seconds, most_items=most_items, most_bytes=most_bytes)
    groups: list[Group[int]] = []
    for item, n_frames in enumerate(lengths):
        groups += window.add(item, n_frames=n_frames, n_bytes=4 * n_frames)
        waiting = set(range(item + 1)) - {item for group in groups for item in group.items}
        assert window.n_items == len(waiting) <= most_items
        assert window.n_bytes == sum(4 * lengths[item] for item in waiting) <= most_bytes
    return groups + list(window.rest())


@given(LENGTHS, st.sampled_from([0.5, 20.0, 80.0]), st.integers(0, 60), st.integers(0, 100_000))
def test_each_item_leaves_once_with_others_of_its_length_and_what_waits_is_bounded(
    lengths: list[int], batch_seconds: float, most_items: int, most_bytes: int
) -> None:
    groups = group_all(lengths, batch_seconds, most_items, most_bytes)
    assert sorted(item for group in groups for item in group.items) == list(range(len(lengths)))
    for group in groups:
        assert {lengths[item] for item in group.items} == {group.n_frames}
        assert 1 <= len(group.items) <= group.rows == batch_rows(group.n_frames, batch_seconds)


@given(st.integers(9, 400_000), st.sampled_from([0.5, 20.0, 80.0, 320.0]))
def test_a_batch_is_the_largest_power_of_two_that_holds_no_more_audio_than_allowed(
    n_frames: int, seconds: float
) -> None:
    rows = batch_rows(n_frames, seconds)
    assert rows in (1, 2, 4, 8, 16, 32, 64)
    assert rows == 1 or rows * n_frames <= seconds * 100
    assert rows == 64 or 2 * rows * n_frames > seconds * 100


@pytest.mark.parametrize(
    ("n_frames", "rows"), [(9, 64), (125, 64), (126, 32), (498, 16), (4000, 2), (4001, 1), (9**6, 1)]
)
def test_eighty_seconds_hold_so_many(n_frames: int, rows: int) -> None:
    assert batch_rows(n_frames, 80) == rows


def test_the_fullest_group_leaves_first_and_rare_lengths_wait() -> None:
    window: Window[str] = Window(80, most_items=5, most_bytes=1 << 30)
    for number, n_frames in enumerate([498, 700, 2000, 498, 498]):  # of 16, 8 and 4 rows
        assert list(window.add(f"{n_frames}-{number}", n_frames=n_frames, n_bytes=1)) == []
    (left,) = window.add("700-5", n_frames=700, n_bytes=1)
    assert left.items == ["700-1", "700-5"]  # 2 of 8; of the others 3 of 16 and 1 of 4, which came later
    assert [group.n_frames for group in window.rest()] == [2000, 498]
    assert (window.n_items, window.n_bytes) == (0, 0)


@given(st.permutations(range(24)))
def test_groups_are_full_whatever_the_order_where_the_window_is_wide(order: list[int]) -> None:
    lengths = [[498] * 16, [900] * 8]
    groups = group_all([(lengths[0] + lengths[1])[place] for place in order], 80, 24, 1 << 20)
    assert sorted((group.n_frames, len(group.items)) for group in groups) == [(498, 16), (900, 8)]


def test_rows_without_a_recording_are_zero() -> None:
    features = [np.full((3, 2), value, dtype=np.float32) for value in (1, 2, 3)]
    batch = stack(features, 4)
    assert (batch.shape, batch.dtype) == ((4, 3, 2), np.float32)
    assert batch[:, 0, 0].tolist() == [1, 2, 3, 0]
