import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scripts.cnclip.training.batches import (
    n_steps,
    shares,
    steps_per_epoch,
    validation_shares,
    wrapped,
)
from tests.cnclip_models import GOLDEN


def test_the_last_batch_is_filled_as_upstream_does() -> None:
    wanted = json.loads((GOLDEN / "lmdb_golden" / "reader.json").read_text())
    found = wrapped(np.arange(wanted["num_pairs"]), 8)
    assert len(found) == wanted["padded_to_global_batch_8"]
    assert found.tolist() == wanted["padded_sample_equals_index"]


@given(
    n_pairs=st.integers(1, 60), batch=st.integers(1, 9), processes=st.sampled_from([1, 2, 3]), seed=st.integers(0, 9)
)
def test_an_epoch_has_every_pair_whatever_the_number_of_processes(
    n_pairs: int, batch: int, processes: int, seed: int
) -> None:
    size = batch * processes
    each = steps_per_epoch(n_pairs, size)

    def rows(n: int) -> list[list[int]]:
        ranks = [
            list(shares(n_pairs, batch_size=size, seed=seed, steps=range(each), rank=rank, processes=n))
            for rank in range(n)
        ]
        return [np.concatenate([share.pairs for share in of_step]).tolist() for of_step in zip(*ranks, strict=True)]

    batches = rows(processes)
    assert batches == rows(1)
    assert {pair for batch_ in batches for pair in batch_} == set(range(n_pairs))
    assert all(len(batch_) == size for batch_ in batches)


def test_going_on_in_the_middle_gives_the_same_batches() -> None:
    every = [share.pairs.tolist() for share in shares(23, batch_size=4, seed=5, steps=range(20))]
    later = [share.pairs.tolist() for share in shares(23, batch_size=4, seed=5, steps=range(9, 20))]
    assert later == every[9:]
    assert every[:6] != every[6:12]  # each epoch has an order of its own


def test_no_pair_is_in_a_batch_twice() -> None:
    for share in shares(23, batch_size=8, seed=0, steps=range(30)):
        assert len(set(share.pairs.tolist())) == 8


def test_a_validation_has_the_same_batches_each_time() -> None:
    one, other = ([share.pairs.tolist() for share in validation_shares(11, batch_size=4, seed=3)] for _ in range(2))
    assert one == other
    assert len(one) == 3


def test_max_steps_says_how_many_steps_there_are() -> None:
    assert n_steps(100, 10, 3, 0) == 30
    assert n_steps(100, 10, 3, 7) == 7
    assert n_steps(100, 10, 3, 70) == 70
