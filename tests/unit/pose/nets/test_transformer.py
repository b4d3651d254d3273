import math

import pytest
import torch

from scripts.pose.nets.transformer import TransformerBlock, modulate, plain_norm, position_code


@pytest.mark.parametrize(("position", "i"), [(0, 0), (1, 0), (3, 5), (48, 511)])
def test_the_position_code_is_that_of_the_paper(position: int, i: int) -> None:
    code = position_code(49, 1024, torch.device("cpu"))
    angle = position * 10_000 ** (-2 * i / 1024)
    assert code[position, 2 * i : 2 * i + 2].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-5)


def test_a_condition_of_nothing_closes_the_gates() -> None:
    torch.manual_seed(0)
    block, x = TransformerBlock(8, 16, 2), torch.randn(2, 3, 8)
    block.adaLN_modulation[1].bias.data.zero_()
    assert torch.equal(block(x, torch.zeros(2, 1, 8), None), x)


def test_a_norm_without_shift_and_scale_is_the_plain_one() -> None:
    x = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0))
    normed = modulate(plain_norm(x), torch.zeros(2, 1, 8), torch.zeros(2, 1, 8))
    assert torch.allclose(normed.mean(-1), torch.zeros(2, 3), atol=1e-6)
    assert torch.allclose(normed.square().mean(-1), torch.ones(2, 3), atol=1e-4)
