"""Items as a step takes them: frames, boxes and token ids, read in processes of their own."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from scripts.fgclip.data.records import Item, Records, Video
from scripts.fgclip.model.tokens import Tokenizer
from scripts.fgclip.training.augmentation import changed
from scripts.fgclip.training.batches import Pick
from scripts.fgclip.training.frozen import FrozenFeatures
from scripts.fgclip.training.options import RunOptions
from scripts.fgclip.training.regions import RegionBoxes, item_regions, n_slots, region_captions
from scripts.fgclip.training.sampling import frame_bins, frames_of
from scripts.shared.errors import SampleError
from scripts.shared.video.frames import read_frames

_DRAWS = 5  # keeps what is drawn of an item apart from the orders


class ReadItem(NamedTuple):
    """An item in one epoch, or what stands in its place where it cannot be read: one black frame and no caption.

    Attributes:
        name: of the item.
        frames: (m, S, S, 3) uint8, or with frozen features (m, D) float32; m at least 1, T at most.
        boxes: (m, R, 4) float32.
        box_mask: (m, R) bool.
        caption_ids: (L,) int64.
        region_ids: (R, L) int64, zeros where there is no region.
        unreadable: why it could not be read; empty where it was.
    """

    name: str
    frames: Tensor
    boxes: Tensor
    box_mask: Tensor
    caption_ids: Tensor
    region_ids: Tensor
    unreadable: str


@dataclass(frozen=True)
class Batch:
    """What a process has of a batch, B items.

    Attributes:
        names: of the items.
        frames: of all of them, one after the other; see `ReadItem`.
        frame_mask: (B, T) bool, where those belong.
        boxes: (B, T, R, 4) float32.
        box_mask: (B, T, R) bool.
        caption_ids: (B, L) int64.
        caption_keys: (B,) int64, equal where captions are.
        region_ids: (B, R, L) int64.
        region_keys: (B, R) int64.
        kept: (B,) bool, whether an item could be read; the others have no part in the loss.
        unreadable: a sentence for each that could not.
    """

    names: tuple[str, ...]
    frames: Tensor
    frame_mask: Tensor
    boxes: Tensor
    box_mask: Tensor
    caption_ids: Tensor
    caption_keys: Tensor
    region_ids: Tensor
    region_keys: Tensor
    kept: Tensor
    unreadable: tuple[str, ...]


class ItemReader(Dataset[ReadItem]):
    """Reads the items that `Pick` names; each is decoded once, also for its regions.

    Args:
        items: by the numbers of the picks.
        records: has their videos.
        tokenizer: of the model.
        options: of the run.
        size: S, pixels.
        sizes: widths and heights that random boxes have; see `box_sizes`.
        caption_length: ids of an item's caption; None for the tokenizer's.
        captions: for each item the one whose captions it gets; None: its own.
        drawn: draw frames and changes anew in each epoch; else the middle frames, unchanged.
        features: to be read instead of the videos.
    """

    def __init__(
        self,
        items: Sequence[Item],
        records: Records,
        tokenizer: Tokenizer,
        options: RunOptions,
        *,
        size: int,
        sizes: NDArray[np.float64],
        caption_length: int | None = None,
        captions: NDArray[np.int64] | None = None,
        drawn: bool = True,
        features: FrozenFeatures | None = None,
    ) -> None:
        self._items, self._records, self._tokenizer, self._options = items, records, tokenizer, options
        self._size, self._sizes, self._caption_length = size, sizes, caption_length
        self._captions, self._drawn, self._features = captions, drawn, features

    def __getitem__(self, pick: Pick) -> ReadItem:
        """Read one item."""
        item, options = self._items[pick.item], self._options
        told = item if self._captions is None else self._items[int(self._captions[pick.item])]
        draws = [pick.epoch, pick.turn] if self._drawn else [0, 0]
        random = np.random.default_rng([_DRAWS, options.seed, *draws, pick.item])
        bins = frame_bins(item.span, options.num_frames)
        numbers = frames_of(bins, random if self._drawn and self._features is None else None)
        try:
            frames = self._frames(item, numbers)
        except SampleError as error:
            return self._stand_in(item, f"{item.name}: {error}; left out of its batch")
        found = item_regions(item, region_captions(told), numbers, bins, options, self._sizes, random)
        if self._drawn and options.augment != "none":
            frames, boxes = changed(frames, found.boxes, options.augment, random)
            found = found._replace(boxes=boxes)
        return self._read(item, frames, found, told.caption)

    def _frames(self, item: Item, numbers: NDArray[np.int64]) -> NDArray[Any]:
        video = self._records.videos[item.video]
        if self._features is not None:
            return self._features.read(item.name, video.digest, numbers)
        return decoded(video, numbers, self._size)

    def _read(self, item: Item, frames: NDArray[Any], found: RegionBoxes, caption: str) -> ReadItem:
        seen: NDArray[np.bool_] = np.any(found.mask, axis=0)
        region_ids = self._tokenizer.encode(found.captions) * seen[:, None]
        caption_ids = self._tokenizer.encode([caption], self._caption_length)[0]
        return ReadItem(
            item.name,
            torch.from_numpy(np.ascontiguousarray(frames)),
            torch.from_numpy(found.boxes),
            torch.from_numpy(found.mask),
            torch.from_numpy(caption_ids),
            torch.from_numpy(region_ids),
            "",
        )

    def _stand_in(self, item: Item, why: str) -> ReadItem:
        black = torch.zeros(1, self._size, self._size, 3, dtype=torch.uint8)
        n_regions = n_slots(self._options)
        length = self._tokenizer.context_length
        return ReadItem(
            item.name,
            black if self._features is None else torch.zeros(1, self._features.dim),
            torch.zeros(1, n_regions, 4),
            torch.zeros(1, n_regions, dtype=torch.bool),
            torch.zeros(self._caption_length or length, dtype=torch.int64),
            torch.zeros(n_regions, length, dtype=torch.int64),
            why,
        )


def decoded(video: Video, numbers: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """Frames of a video as the model takes them, (m, size, size, 3) uint8.

    Args:
        video: as it was checked.
        numbers: (m,) of the frames, ascending.
        size: S, pixels.

    Raises:
        SampleError: it cannot be read; `changed` where it has another number of frames than when it was checked.
    """

    def pick(n_frames: int) -> NDArray[np.int64]:
        if n_frames != video.n_frames:
            raise SampleError(
                "changed",
                f"{video.path} has {n_frames} frames now, {video.n_frames} when it was checked; run the target "
                "fgclip_validate again",
            )
        return numbers

    return read_frames(video.path, pick, height=size, width=size).frames


def batch_of(items: Sequence[ReadItem], num_frames: int) -> Batch:
    """Items as a batch.

    Args:
        items: one at least.
        num_frames: T; a shorter item is filled up, and its mask says with how much.
    """
    n_regions = items[0].box_mask.shape[1]
    frame_mask = torch.zeros(len(items), num_frames, dtype=torch.bool)
    boxes = torch.zeros(len(items), num_frames, n_regions, 4)
    box_mask = torch.zeros(len(items), num_frames, n_regions, dtype=torch.bool)
    for row, item in enumerate(items):
        m = len(item.frames)
        frame_mask[row, :m] = True
        boxes[row, :m] = item.boxes
        box_mask[row, :m] = item.box_mask
    region_ids = torch.stack([item.region_ids for item in items])
    caption_ids = torch.stack([item.caption_ids for item in items])
    return Batch(
        names=tuple(item.name for item in items),
        frames=torch.cat([item.frames for item in items]),
        frame_mask=frame_mask,
        boxes=boxes,
        box_mask=box_mask,
        caption_ids=caption_ids,
        caption_keys=caption_keys(caption_ids),
        region_ids=region_ids,
        region_keys=caption_keys(region_ids.flatten(0, 1)).view(len(items), n_regions),
        kept=torch.tensor([not item.unreadable for item in items]),
        unreadable=tuple(item.unreadable for item in items if item.unreadable),
    )


def caption_keys(ids: Tensor) -> Tensor:
    """(n,) int64 of (n, L) token ids: equal where all ids are."""
    digests = [hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in ids.numpy()]
    return torch.from_numpy(np.frombuffer(b"".join(digests), np.int64).copy())
