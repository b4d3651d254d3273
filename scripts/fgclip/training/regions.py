"""The regions that an item gives in one epoch: captions, and a box at each frame where there is one."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.boxes import box_at
from scripts.fgclip.data.records import Item, Records, Region
from scripts.fgclip.training.options import RunOptions

Thing = TypeVar("Thing")


class RegionBoxes(NamedTuple):
    """What an item has of regions.

    Attributes:
        captions: R, empty where there is no region.
        boxes: (T, R, 4) float32 x1, y1, x2, y2 in [0, 1].
        mask: (T, R) bool, whether there is a box.
    """

    captions: tuple[str, ...]
    boxes: NDArray[np.float32]
    mask: NDArray[np.bool_]


def n_slots(options: RunOptions) -> int:
    """R, the regions that an item can have in a batch."""
    return options.max_regions + options.background_region


def box_sizes(records: Records) -> NDArray[np.float64]:
    """(n, 2) width and height of every box of the training items that is in sight, as parts of the picture."""
    keys = [key for item in records.items for region in item.regions for key in region.keys if key.enabled]
    return np.array([(key.x2 - key.x1, key.y2 - key.y1) for key in keys], np.float64).reshape(-1, 2)


def region_captions(item: Item) -> list[str]:
    """The captions of an item's regions; that of the whole where it has none."""
    return [region.caption for region in item.regions] or [item.caption]


def item_regions(
    item: Item,
    captions: Sequence[str],
    frames: NDArray[np.int64],
    bins: NDArray[np.int64],
    options: RunOptions,
    sizes: NDArray[np.float64],
    random: np.random.Generator,
) -> RegionBoxes:
    """The regions of an item at the frames that were taken of it.

    An anomalous item has those with boxes, so many as there is room for, drawn where there are more; and one of the
    background, with boxes of the same sizes on the frames that no region covers. A normal one has its captions with
    such boxes: were they the whole picture, a box's size would tell the two kinds apart.

    Args:
        item: of the training list.
        captions: of its regions, one at least; those of another item in the control.
        frames: (T,) numbers of frames.
        bins: (T, 2) the part of the video that each stands for.
        options: of the run.
        sizes: see `box_sizes`; where there are none, nothing is drawn from them.
        random: of this item in this epoch.
    """
    found = RegionBoxes(
        ("",) * n_slots(options),
        np.zeros((len(frames), n_slots(options), 4), np.float32),
        np.zeros((len(frames), n_slots(options)), np.bool_),
    )
    told = list(found.captions)
    if not item.anomalous:
        if options.normal_boxes == "random" and len(sizes):
            for slot, caption in enumerate(_some(captions, options.max_regions, random)):
                told[slot] = caption
                found.boxes[:, slot] = random_boxes(len(frames), sizes, random)
                found.mask[:, slot] = True
        return found._replace(captions=tuple(told))
    boxed = [(region, captions[number % len(captions)]) for number, region in enumerate(item.regions) if region.keys]
    for slot, (region, caption) in enumerate(_some(boxed, options.max_regions, random)):
        told[slot] = caption
        _fill(found, slot, region, frames, bins)
    if options.background_region and len(sizes):
        free = ~_covered([region for region, _ in boxed], frames, bins)
        if free.any():
            told[-1] = options.background_caption
            found.boxes[:, -1] = random_boxes(len(frames), sizes, random)
            found.mask[:, -1] = free
    return found._replace(captions=tuple(told))


def random_boxes(n: int, sizes: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float32]:
    """(n, 4) boxes within the picture, each of one of these sizes."""
    chosen = sizes[random.integers(len(sizes), size=n)]
    corners = random.random((n, 2)) * (1 - chosen)
    return np.concatenate([corners, corners + chosen], axis=1).astype(np.float32)


def mirrored(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Boxes (..., 4) of the picture seen in a mirror."""
    x1, y1, x2, y2 = np.moveaxis(boxes, -1, 0)
    return np.stack([1 - x2, y1, 1 - x1, y2], axis=-1)


def _some(things: Sequence[Thing], most: int, random: np.random.Generator) -> list[Thing]:
    """All, or where there are too many so many of them at random, in their order."""
    if len(things) <= most:
        return list(things)
    return [things[number] for number in sorted(random.choice(len(things), most, replace=False))]


def _fill(found: RegionBoxes, slot: int, region: Region, frames: NDArray[np.int64], bins: NDArray[np.int64]) -> None:
    for place, (frame, part) in enumerate(zip(frames.tolist(), bins.tolist(), strict=True)):
        if box := box_at(region, frame, bin_frames=(part[0], part[1])):
            found.boxes[place, slot] = box
            found.mask[place, slot] = True


def _covered(regions: Sequence[Region], frames: NDArray[np.int64], bins: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(T,) whether any region is in sight, those that had no room among them."""
    parts = list(zip(frames.tolist(), bins.tolist(), strict=True))
    seen = [any(box_at(region, frame, bin_frames=(a, b)) for region in regions) for frame, (a, b) in parts]
    return np.array(seen, np.bool_)
