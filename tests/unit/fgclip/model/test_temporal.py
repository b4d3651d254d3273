"""Time begins as the identity and sees the order of frames once its gate opens; padding never counts."""

import math

import pytest
import torch

from scripts.fgclip.model.temporal import AttentionPool, TemporalModule, masked_mean, positions

DIM = 16


@pytest.fixture
def module() -> TemporalModule:
    torch.manual_seed(4)
    return TemporalModule(DIM, layers=2, dropout=0.0).eval()


def frames(n_frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, n_frames, DIM, generator=torch.Generator().manual_seed(seed))


def open_gate(module: TemporalModule) -> None:
    with torch.no_grad():
        module.gate.fill_(0.5)


def test_an_untrained_module_changes_nothing(module: TemporalModule) -> None:
    value = frames(5)
    assert torch.equal(module(value, torch.ones(2, 5, dtype=torch.bool)), value)


def test_the_order_of_frames_counts_once_the_gate_is_open(module: TemporalModule) -> None:
    """Defect N5 of the guide's program: without positions the pooled vector of shuffled frames was the same."""
    value, mask = frames(6), torch.ones(2, 6, dtype=torch.bool)
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    pool = AttentionPool(DIM)
    assert torch.allclose(pool(module(value, mask), mask), pool(module(value[:, order], mask), mask), atol=1e-6)
    open_gate(module)
    there, shuffled = pool(module(value, mask), mask), pool(module(value[:, order], mask), mask)
    assert (there - shuffled).abs().max() > 1e-2


def test_the_gate_learns_although_it_begins_at_zero(module: TemporalModule) -> None:
    module(frames(4), torch.ones(2, 4, dtype=torch.bool)).square().sum().backward()
    assert module.gate.grad is not None
    assert module.gate.grad.abs().item() > 0


def test_padded_frames_change_nothing(module: TemporalModule) -> None:
    open_gate(module)
    mask = torch.tensor([[True] * 4 + [False] * 2] * 2)
    short = frames(4)
    padded = torch.cat([short, 100 * frames(2, seed=9)], dim=1)
    alone = module(short, mask[:, :4])
    assert torch.allclose(module(padded, mask)[:, :4], alone, atol=1e-5)
    pool = AttentionPool(DIM)
    assert torch.allclose(pool(padded, mask), short.mean(1), atol=1e-6)
    assert torch.allclose(masked_mean(padded, mask), short.mean(1), atol=1e-6)


def test_scoring_computes_what_training_does(module: TemporalModule) -> None:
    """PyTorch takes other routines where no gradient is wanted."""
    open_gate(module)
    mask = torch.tensor([[True] * 5 + [False], [True] * 6])
    value = frames(6)
    with torch.inference_mode():
        quick = module(value, mask)
    assert torch.allclose(quick[mask], module(value, mask)[mask], atol=1e-5)


def test_pooling_learns_which_frames_count() -> None:
    pool = AttentionPool(DIM)
    value, mask = frames(3), torch.ones(2, 3, dtype=torch.bool)
    assert torch.allclose(pool(value, mask), value.mean(1), atol=1e-6)
    with torch.no_grad():
        pool.score.weight.copy_(50 * value[0, 1])
    assert torch.allclose(pool(value[:1], mask[:1]), value[:1, 1], atol=1e-3)


def test_positions_are_sines_and_cosines_of_falling_rates() -> None:
    table = positions(50, DIM)
    assert table.shape == (50, DIM)
    assert table[0].tolist() == [0.0] * (DIM // 2) + [1.0] * (DIM // 2)
    assert table[3, 0].item() == pytest.approx(math.sin(3))
    assert table[3, DIM // 2 + 1].item() == pytest.approx(math.cos(3 / 10_000 ** (2 / DIM)))
    assert len(torch.unique(table, dim=0)) == 50
