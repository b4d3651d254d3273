from itertools import pairwise

import torch
from torch import nn

from scripts.pose.toy.descent import descend


def test_the_loss_falls_to_the_least_there_is() -> None:
    net = nn.Linear(1, 1)
    x = torch.linspace(-1, 1, 20)[:, None]
    losses = descend(net, lambda: (net(x) - (3 * x - 2)).square().mean(), steps=1000, rate=0.03)
    assert len(losses) == 1000
    assert losses[-1] < 1e-4 < losses[0]
    assert not net.training


def test_the_last_steps_are_small() -> None:
    net = nn.Linear(1, 1, bias=False)
    seen = []

    def loss() -> torch.Tensor:
        seen.append(net.weight.item())
        return -net.weight.sum()

    descend(net, loss, steps=200, rate=0.1)
    steps = [after - before for before, after in pairwise(seen)]
    assert steps[-1] < 0.01 * max(steps)
    assert steps[0] < 0.1 * max(steps)
