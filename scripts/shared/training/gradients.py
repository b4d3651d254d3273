"""Gradients of one loss over the processes of a training. Imports torch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from scripts.shared.training.processes import Processes


def gradient_of(tensor: Tensor) -> Tensor:
    """A tensor's gradient; zeros where nothing depended on it."""
    if tensor.grad is None:
        tensor.grad = torch.zeros_like(tensor)
    return tensor.grad


def sum_gradients(encoders: Sequence[Tensor], heads: Sequence[Tensor], processes: Processes) -> None:
    """Give each process the gradient of the whole batch.

    Args:
        encoders: have in each process the gradient of its rows.
        heads: have the whole in each already, so that of one of them counts.
        processes: those that share the batch.
    """
    if processes.n == 1:
        return
    for head in heads:
        if processes.rank and head.grad is not None:
            head.grad.zero_()
    processes.sum_([gradient_of(parameter) for parameter in (*encoders, *heads) if parameter.requires_grad])
