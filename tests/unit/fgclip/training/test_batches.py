import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.fgclip.data.records import Item, Records
from scripts.fgclip.training.batches import Pick, held_out, picks, steps_per_epoch

KINDS = np.array([True] * 3 + [False] * 9)


def rows(steps: range, kinds: np.ndarray = KINDS, *, batch: int = 4, accumulation: int = 2, **given: int) -> list[Pick]:
    return list(picks(kinds, batch_size=batch, accumulation=accumulation, seed=5, steps=steps, **given))


def test_half_of_each_batch_is_normal() -> None:
    found = rows(range(4))
    for start in range(0, len(found), 4):
        assert sum(KINDS[pick.item] for pick in found[start : start + 4]) == 2


def test_in_an_epoch_every_item_has_its_turn_and_the_shorter_list_begins_again() -> None:
    per_epoch = steps_per_epoch(KINDS, 4, 2)
    assert per_epoch == 3  # nine normal items, two a batch, four a step
    found = rows(range(per_epoch))
    assert {pick.item for pick in found} == set(range(12))
    assert len({(pick.item, pick.turn) for pick in found}) == len(found)
    assert max(pick.turn for pick in found if KINDS[pick.item]) == 3


def test_items_of_one_kind_alone_fill_the_batches() -> None:
    kinds = np.ones(10, np.bool_)
    assert steps_per_epoch(kinds, 4, 1) == 3
    assert {pick.item for pick in rows(range(3), kinds, accumulation=1)} == set(range(10))


@given(begin=st.integers(0, 8), end=st.integers(9, 12))
def test_what_a_step_has_does_not_depend_on_where_the_training_goes_on(begin: int, end: int) -> None:
    """Defect T8 of the guide's program: the order hung on draws that were made before."""
    whole = rows(range(end))
    random.seed(begin)
    np.random.seed(begin)  # noqa: NPY002 - others' draws
    assert rows(range(begin, end)) == whole[begin * 8 :]


def test_the_shares_of_the_processes_together_are_the_batch() -> None:
    whole = rows(range(3))
    shares = [rows(range(3), rank=rank, processes=2) for rank in range(2)]
    joined = [pick for start in range(0, len(shares[0]), 2) for share in shares for pick in share[start : start + 2]]
    assert joined == whole


def test_epochs_have_orders_of_their_own() -> None:
    """Defect T2 of the guide's program: the epoch stayed 0."""
    per_epoch = steps_per_epoch(KINDS, 4, 2)
    first, second = rows(range(per_epoch)), rows(range(per_epoch, 2 * per_epoch))
    assert {pick.epoch for pick in first} == {0}
    assert {pick.epoch for pick in second} == {1}
    assert [pick.item for pick in first] != [pick.item for pick in second]


def listed(n_normal: int, n_abuse: int) -> Records:
    items = [Item(f"n{i}", f"n{i // 2}", "Normal", False, "x", (0, 1), ()) for i in range(n_normal)]
    items += [Item(f"a{i}", f"a{i}", "Abuse", True, "x", (0, 1), ()) for i in range(n_abuse)]
    return Records({}, tuple(items))


def test_whole_videos_of_every_class_are_held_out() -> None:
    learned, aside = held_out(listed(40, 8), 0.1, seed=1)
    assert {item.category for item in aside} == {"Normal", "Abuse"}
    assert not {item.video for item in learned} & {item.video for item in aside}
    assert len(learned) + len(aside) == 48
    assert len({item.video for item in aside if item.category == "Normal"}) == 2


@pytest.mark.parametrize("n_abuse", [1, 3])
def test_of_a_class_of_few_videos_none_is_held_out(n_abuse: int) -> None:
    _, aside = held_out(listed(8, n_abuse), 0.1, seed=1)
    assert "Abuse" not in {item.category for item in aside}


def test_what_is_held_out_does_not_depend_on_the_order_of_the_list() -> None:
    records = listed(20, 6)
    other = Records({}, records.items[::-1])
    assert {item.name for item in held_out(records, 0.2, 3)[1]} == {item.name for item in held_out(other, 0.2, 3)[1]}
