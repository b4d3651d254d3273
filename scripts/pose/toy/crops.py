"""Random crops of the motion clips."""

from collections.abc import Sequence

import torch
from torch import Tensor

from scripts.pose.skeleton import FRAMES_PER_TOKEN
from scripts.pose.toy.motions import LONGEST, SHORTEST

LENGTHS = range(SHORTEST, LONGEST + 1, FRAMES_PER_TOKEN)


class Crops:
    """The clips that crops are drawn from.

    Args:
        tracks: of each clip (T, F) float32, T at least `SHORTEST`.
    """

    def __init__(self, tracks: Sequence[Tensor]) -> None:
        self._frames = torch.cat(list(tracks))
        self._n_frames = torch.tensor([len(track) for track in tracks])
        self._first = self._n_frames.cumsum(0) - self._n_frames
        self._lengths = [length for length in LENGTHS if length <= int(self._n_frames.max())]

    def draw(self, n: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw crops of one length, every other time the shortest, else any; each clip that has it is as likely.

        Args:
            n: how many.
            random: what to draw with.

        Returns:
            (n, T, F), T one of `LENGTHS`; and (n,) int64, the number of the clip of each.
        """
        which = int(torch.randint(2 * len(self._lengths), (), generator=random))
        length = self._lengths[which] if which < len(self._lengths) else SHORTEST
        long_enough = torch.nonzero(self._n_frames >= length)[:, 0]
        clips = long_enough[torch.randint(len(long_enough), (n,), generator=random)]
        places = self._n_frames[clips] - length + 1
        # In float64, a number below 1 times the places stays below them.
        start = (torch.rand(n, dtype=torch.float64, generator=random) * places).long()
        return self._frames[(self._first[clips] + start)[:, None] + torch.arange(length)], clips
