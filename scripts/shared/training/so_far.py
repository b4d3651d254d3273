"""What a training has to remember beside its weights, from one checkpoint to the next."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class SoFar:
    """What was found up to a step.

    Attributes:
        loss: of the last step; NaN before the first.
        best_loss: the lowest on what nothing learns from.
        best_step: steps taken before that.
        best_epoch: the epoch of that, from 1.
        unreadable: a sentence for each thing that could not be read, in any process.
    """

    loss: float = math.nan
    best_loss: float = math.inf
    best_step: int = 0
    best_epoch: int = 0
    unreadable: tuple[str, ...] = ()
