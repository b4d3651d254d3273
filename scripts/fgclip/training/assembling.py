"""What a training is put together from: model, items, held-out items; and what tells it from every other."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.records import Item, read_records
from scripts.fgclip.model.model_folder import ModelFacts, load_video_clip
from scripts.fgclip.model.tokens import Tokenizer
from scripts.fgclip.training.batches import held_out, picks, steps_per_epoch
from scripts.fgclip.training.frozen import FrozenFeatures, features_dir
from scripts.fgclip.training.item_reader import Batch, ItemReader, batch_of
from scripts.fgclip.training.learner import Learner
from scripts.fgclip.training.options import RunOptions
from scripts.fgclip.training.regions import box_sizes
from scripts.shared.errors import ConfigError
from scripts.shared.fingerprints import digest_value
from scripts.shared.training.control import strange_captions
from scripts.shared.training.loading import loaded
from scripts.shared.training.processes import Processes

_AHEAD = 2  # items that each reading process has ready: 256 frames of one are 38 MB

log = logging.getLogger(__name__)


class Stream:
    """Items that come in batches.

    Args:
        items: of them.
        reader: of them.
        options: of the run.
        processes: those that train together.
        accumulation: batches of a step.
    """

    def __init__(
        self, items: Sequence[Item], reader: ItemReader, options: RunOptions, processes: Processes, accumulation: int
    ) -> None:
        self._anomalous: NDArray[np.bool_] = np.array([item.anomalous for item in items], np.bool_)
        self._reader, self._options, self._processes, self._accumulation = reader, options, processes, accumulation
        self.n_items = len(items)

    @property
    def per_epoch(self) -> int:
        """Steps until every item was taken."""
        return steps_per_epoch(self._anomalous, self._options.batch_size, self._accumulation)

    def batches(self, steps: range) -> Iterator[Batch]:
        """Yield this process's share of each batch of some steps."""
        options = self._options
        wanted = picks(
            self._anomalous,
            batch_size=options.batch_size,
            accumulation=self._accumulation,
            seed=options.seed,
            steps=steps,
            rank=self._processes.rank,
            processes=self._processes.n,
        )
        pin = self._processes.device.type == "cuda"
        read = loaded(self._reader, wanted, workers=options.num_workers, pin=pin, ahead=_AHEAD)
        for _ in range(len(steps) * self._accumulation):
            yield batch_of([next(read) for _ in range(options.share)], options.num_frames)


class Parts(NamedTuple):
    """What a training is put together from.

    Attributes:
        learner: the model and its optimizer.
        train: the items that are learnt from.
        aside: held-out items; None where nothing is chosen by them.
        tokenizer: of the model.
        facts: of the model that it begins with.
        identity: digest of all that decides what is computed; equal for a training that goes on.
        data: digest of the items.
    """

    learner: Learner
    train: Stream
    aside: Stream | None
    tokenizer: Tokenizer
    facts: ModelFacts
    identity: str
    data: str


def put_together(plan: Mapping[str, Any], options: RunOptions, processes: Processes) -> Parts:
    """Open everything that a training needs.

    Args:
        plan: paths by name: "init", "records" and "features" (or None).
        options: of the run.
        processes: those that train together.

    Raises:
        ConfigError: something is missing, or does not go with the rest.
        JobError: the records cannot be read.
    """
    where = f"fgclip.runs.{options.name}"
    model, tokenizer, facts = load_video_clip(Path(plan["init"]), processes.device)
    if options.long_captions and not model.long_context_length:
        raise ConfigError(f"{where}.long_captions: {plan['init']} has no positions for long captions; make it again")
    if options.frozen and plan["features"] is None:
        raise ConfigError(f"{where}.finetune: none needs the features of the frames, and there are none")
    records = read_records(Path(plan["records"]))
    items, aside = held_out(records, options.hold_out, options.seed) if options.keep_best else (records.items, ())
    if len(items) < 2 or (options.keep_best and not aside):
        raise ConfigError(
            f"{where}: {plan['records']} has {len(records.items)} items, of which {len(aside)} would be held out: too "
            "few to learn from"
        )
    if len({item.anomalous for item in items}) == 1:
        log.warning("[%s] all items are of one kind, normal or not: batches cannot be half and half", options.name)
    features = None
    if options.frozen:
        folder = features_dir(Path(plan["features"]), facts.weights_sha256, options.num_frames)
        features = FrozenFeatures(folder, model.dim)

    def stream(of: Sequence[Item], accumulation: int, *, drawn: bool) -> Stream:
        reader = ItemReader(
            of,
            records,
            tokenizer,
            options,
            size=model.image_size,
            sizes=box_sizes(records),
            caption_length=model.long_context_length if options.long_captions else None,
            captions=strange_captions(len(of), options.seed) if options.shuffle_captions else None,
            drawn=drawn,
            features=features,
        )
        return Stream(of, reader, options, processes, accumulation)

    weights = [facts.weights_sha256, facts.head_sha256]
    return Parts(
        Learner(model, options, processes),
        stream(items, options.accumulation, drawn=True),
        stream(aside, 1, drawn=False) if aside else None,
        tokenizer,
        facts,
        identity=digest_value({"options": options.what_counts, "init": weights, "items": records.digest}),
        data=records.digest,
    )
