"""How the learning rate goes over the steps of a training, and what is due after which of them."""

import math


def warmup_cosine(step: int, *, lr: float, warmup: int, total: int) -> float:
    """The learning rate of one step: a line up over `warmup` steps, then half a cosine towards 0.

    Args:
        step: from 0 on.
        lr: the highest rate, which step `warmup - 1` has.
        warmup: steps of the line; 0 for none.
        total: steps of the whole training.

    Source: cosine annealing, Loshchilov and Hutter 2017, arXiv:1608.03983; the line up, Goyal et al. 2017,
        arXiv:1706.02677.
    """
    if step < warmup:
        return lr * (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) * lr


def is_due(taken: int, interval: int) -> bool:
    """Whether something is done after so many steps (or epochs) that is done at every so many-th; 0 is never."""
    return bool(interval) and taken % interval == 0
