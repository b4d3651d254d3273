"""How well a model tells apart the pairs of a batch that it has not seen. Other batch sizes give others: no recall."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from scripts.cnclip.training.batches import validation_shares
from scripts.cnclip.training.learner import Learner
from scripts.cnclip.training.loading import PairReader
from scripts.cnclip.training.options import RunOptions
from scripts.shared.errors import ConfigError
from scripts.shared.training.loading import loaded
from scripts.shared.training.processes import Processes


class Validated(NamedTuple):
    """Means over the batches: contrastive loss, and the parts of pictures and texts whose best match is their own."""

    loss: float
    image_to_text: float
    text_to_image: float


class Validation:
    """The validation of one run: the same batches each time.

    Args:
        reader: of the pairs, unchanged.
        n_pairs: of them.
        options: of the run.
        processes: those that train together.

    Raises:
        ConfigError: there are fewer pairs than processes.
    """

    def __init__(self, reader: PairReader, n_pairs: int, options: RunOptions, processes: Processes) -> None:
        if n_pairs < processes.n:
            raise ConfigError(
                f"cnclip.runs.{options.name}: processes: {processes.n} cannot share {n_pairs} valid pairs; take fewer"
            )
        self._reader, self._n_pairs, self._options, self._processes = reader, n_pairs, options, processes
        self._batch_size = min(options.batch_size, n_pairs // processes.n * processes.n)

    def __call__(self, learner: Learner, tell: Callable[[Sequence[str]], None]) -> Validated:
        """Validate a model; every process takes part.

        Args:
            learner: has the model.
            tell: given a sentence for each pair that another had to stand in for.
        """
        shares = validation_shares(
            self._n_pairs,
            batch_size=self._batch_size,
            seed=self._options.seed,
            rank=self._processes.rank,
            processes=self._processes.n,
        )
        device = self._processes.device
        seen = []
        for pairs in loaded(self._reader, shares, workers=self._options.loader_workers, pin=device.type == "cuda"):
            tell(pairs.unreadable)
            seen.append(torch.stack(learner.contrast(pairs.on(device))))
        return Validated(*torch.stack(seen).mean(0).tolist())
