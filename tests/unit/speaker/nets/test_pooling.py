import pytest
import torch

from scripts.speaker.nets.pooling import POOLINGS, make_pooling


@pytest.mark.parametrize("name", POOLINGS)
def test_every_pooling_gives_as_many_numbers_as_it_says(name: str) -> None:
    pooling = make_pooling(name, 16)
    assert pooling(torch.randn(3, 16, 11)).shape == (3, pooling.out_dim)


@pytest.mark.parametrize("name", POOLINGS)
def test_a_map_is_pooled_as_its_channels_times_frequencies(name: str) -> None:
    torch.manual_seed(0)
    pooling, x = make_pooling(name, 16), torch.randn(2, 4, 4, 11)
    assert torch.equal(pooling(x), pooling(x.reshape(2, 16, 11)))


@pytest.mark.parametrize("name", POOLINGS)
def test_the_order_of_frames_does_not_matter(name: str) -> None:
    torch.manual_seed(0)
    pooling, x = make_pooling(name, 16), torch.randn(2, 16, 11)
    assert torch.allclose(pooling(x), pooling(x.flip(-1)), atol=1e-5)


def test_frames_that_are_all_alike_give_no_infinite_slope() -> None:
    x = torch.full((1, 16, 11), 3.0, requires_grad=True)
    make_pooling("ASTP", 16)(x).sum().backward()
    assert torch.isfinite(x.grad).all()
