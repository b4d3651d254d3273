"""How both nets are fitted: AdamW (Loshchilov and Hutter 2019), its rate warmed up and then falling as a cosine."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

_WARM_UP = 50  # steps


def descend(net: nn.Module, loss: Callable[[], Tensor], *, steps: int, rate: float) -> list[float]:
    """Fit a net.

    Args:
        net: what is changed; left in evaluation mode.
        loss: of a new random batch each time.
        steps: how many.
        rate: the highest learning rate.

    Returns:
        The loss of each step.
    """
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, betas=(0.9, 0.95), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _part_of_rate(step, steps))
    losses = []
    for _ in range(steps):
        value = loss()
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(value.item())
    net.eval()
    return losses


def _part_of_rate(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / _WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2
