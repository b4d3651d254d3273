import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scripts.pose.sampling.schedule import PADDING, last_steps, masked_counts
from tests.unit.pose.sampling.golden_runs import RUNS, golden_run


@pytest.mark.parametrize("name", RUNS)
def test_a_token_survives_from_the_last_step_that_masks_it(name: str) -> None:
    run = golden_run("sit", name)
    last = last_steps(run.order, run.lengths, run.sampling.time_steps)
    for step, masked in enumerate(run.masked):
        assert torch.equal(last >= step, masked)


def test_sixteen_frames_mask_47_tokens_and_keep_four() -> None:
    counts = masked_counts(torch.tensor([4]), 18).flatten()
    assert counts.tolist() == [4, 4, 4, 4, 4, 4, 3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1]
    assert last_steps(torch.tensor([[0.3, 0.1, 0.4, 0.2]]), torch.tensor([4]), 18).tolist() == [[9, 17, 5, 12]]


@pytest.mark.parametrize(("n_tokens", "time_steps"), [(2, 2), (4, 4), (8, 12), (12, 18), (49, 75)])
def test_from_so_many_steps_on_each_step_keeps_at_most_one_token(n_tokens: int, time_steps: int) -> None:
    def most(steps: int) -> int:
        last = last_steps(torch.rand(1, n_tokens), torch.tensor([n_tokens]), steps)
        return int(last.flatten().bincount().max())

    assert most(time_steps) == 1
    assert most(time_steps - 1) > 1


@given(seed=st.integers(0, 1000), n_tokens=st.integers(1, 49), time_steps=st.integers(1, 100))
def test_every_token_survives_from_one_step_in_its_order(seed: int, n_tokens: int, time_steps: int) -> None:
    order = torch.rand(3, n_tokens, generator=torch.Generator().manual_seed(seed))
    lengths = torch.tensor([n_tokens, (n_tokens + 1) // 2, 1])
    last = last_steps(order, lengths, time_steps)
    assert ((last == PADDING) == (torch.arange(n_tokens) >= lengths[:, None])).all()
    for row, length, steps in zip(order, lengths, last, strict=True):
        in_order = steps[:length][row[:length].argsort(descending=True)]
        assert (in_order.diff() >= 0).all()
        assert in_order[-1] == time_steps - 1


def test_equal_numbers_keep_the_order_of_the_tokens() -> None:
    assert last_steps(torch.zeros(1, 4), torch.tensor([4]), 18).tolist() == [[17, 12, 9, 5]]
