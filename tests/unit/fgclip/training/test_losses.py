import math

import pytest
import torch
from torch import Tensor

from scripts.fgclip.training.losses import Rows, batch_losses, contrast

ONE = torch.tensor(1.0)


def unit(n: int, dim: int = 16, seed: int = 0) -> Tensor:
    rows = torch.randn(n, dim, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows, dim=-1)


def all_of(n: int) -> Tensor:
    return torch.ones(n, dtype=torch.bool)


@pytest.mark.parametrize("n", [2, 4, 16])
def test_of_features_that_are_all_alike_the_loss_is_chance(n: int) -> None:
    same = unit(1).expand(n, -1)
    found = contrast(same, same, torch.arange(n), all_of(n), torch.tensor(100.0))
    assert found.loss.item() == pytest.approx(math.log(n), abs=1e-5)
    assert found.chance.item() == pytest.approx(math.log(n), abs=1e-6)


def test_equal_captions_are_all_right_answers_and_the_loss_goes_down_to_zero() -> None:
    """Defect L3 of the guide's program: equal captions were each other's wrong answers."""
    captions = torch.eye(16)[torch.tensor([0, 0, 0, 1])]
    keys = torch.tensor([7, 7, 7, 9])
    found = contrast(captions, captions, keys, all_of(4), torch.tensor(100.0))
    assert found.loss.item() == pytest.approx(0, abs=1e-6)
    assert contrast(captions, captions, torch.arange(4), all_of(4), torch.tensor(100.0)).loss.item() > 0.5
    alike = unit(1).expand(4, -1)
    assert contrast(alike, alike, keys, all_of(4), ONE).loss.item() == pytest.approx(found.chance.item(), abs=1e-5)


def test_with_different_captions_it_is_the_loss_of_clip() -> None:
    videos, captions = unit(6), unit(6, seed=1)
    logits = 10 * videos @ captions.T
    own = torch.arange(6)
    wanted = (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)) / 2
    found = contrast(videos, captions, own, all_of(6), torch.tensor(10.0))
    assert found.loss.item() == pytest.approx(wanted.item(), rel=1e-6)


def test_rows_without_a_part_change_nothing() -> None:
    """Defect L2 of the guide's program: empty regions entered the loss."""
    rows, captions = unit(5), unit(5, seed=1)
    few = contrast(rows[:3], captions[:3], torch.arange(3), all_of(3), ONE)
    rows[3:], captions[3:] = 0, math.nan
    kept = torch.tensor([True, True, True, False, False])
    found = contrast(rows, captions, torch.arange(5), kept, ONE)
    assert (found.loss.item(), found.n) == (few.loss.item(), 3)


@pytest.mark.parametrize("n_kept", [0, 1])
def test_with_nothing_to_tell_apart_it_is_zero_and_has_a_gradient(n_kept: int) -> None:
    """Defect L6 of the guide's program: processes without regions left the others waiting."""
    rows = unit(3).requires_grad_()
    found = contrast(rows, unit(3), torch.arange(3), torch.arange(3) < n_kept, ONE)
    found.loss.backward()  # type: ignore[no-untyped-call]
    assert found.loss.item() == 0
    assert rows.grad is not None
    assert not rows.grad.any()


def test_the_total_weighs_the_regions_and_without_weight_leaves_them_out() -> None:
    """Defect L10 of the guide's program: a loss that was switched off was multiplied by 0, and NaN stays NaN."""
    whole = torch.ones(4, dtype=torch.int64)
    rows = Rows(unit(4), unit(4, seed=1), torch.arange(4), whole, unit(4), unit(4, seed=2), torch.arange(4), whole)
    found = batch_losses(rows, ONE, torch.tensor(5.0), 0.5)
    assert found.total.item() == pytest.approx((found.videos.loss + 0.5 * found.regions.loss).item())
    spoilt = rows._replace(regions=unit(4) * math.nan)
    assert batch_losses(spoilt, ONE, ONE, 0.0).total.item() == found.videos.loss.item()
