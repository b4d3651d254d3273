"""What a caption list holds, counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from scripts.fgclip.data.categories import CLASSES, NORMAL, category_of
from scripts.fgclip.data.item_check import is_chinese, is_frame
from scripts.fgclip.data.lookup import key_of
from scripts.fgclip.data.options import DataOptions
from scripts.fgclip.data.records import Records
from scripts.fgclip.data.shapes import ListedItem
from scripts.fgclip.data.video_facts import VideoFacts

_TOKEN_BIN = 10
_LABEL_STUDIO_FPS = 24.0  # what its <Video> takes where no frameRate is given


def class_order(category: str) -> tuple[int, str]:
    """Sorts classes: those of UCF-Crime, any others, Normal."""
    return (len(CLASSES) + (category == NORMAL) if category not in CLASSES else CLASSES.index(category)), category


def count_records(records: Records) -> dict[str, dict[str, Any]]:
    """What each class has.

    Returns:
        By class: `items`, `anomalous` ones, `videos`, `regions`, `keyframes`, and the items' `seconds`.
    """
    counted: dict[str, dict[str, Any]] = {}
    for category in sorted({item.category for item in records.items}, key=class_order):
        items = [item for item in records.items if item.category == category]
        regions = [region for item in items for region in item.regions]
        fps = [records.videos[item.video].fps for item in items]
        seconds = [(item.span[1] - item.span[0]) / rate for item, rate in zip(items, fps, strict=True) if rate]
        counted[category] = {
            "items": len(items),
            "anomalous": sum(item.anomalous for item in items),
            "videos": len({item.video for item in items}),
            "regions": len(regions),
            "keyframes": sum(len(region.keys) for region in regions),
            "seconds": round(sum(seconds), 1),
        }
    return counted


def count_captions(listed: Iterable[ListedItem], n_tokens: Callable[[str], int]) -> dict[str, Any]:
    """How long the captions are and how many are Chinese, of all items, those that cannot be used included.

    Returns:
        `captions`, how many there are; `chinese`, how many by class; `tokens`, how many have each number of tokens, in
        bins of ten by their smallest.
    """
    captions, chinese, tokens = 0, Counter[str](), Counter[int]()
    for item in listed:
        category = category_of(key_of(item.video)) if isinstance(item.video, str) else ""
        for caption in (item.caption, *(region.caption for region in item.regions)):
            if isinstance(caption, str) and caption.strip():
                captions += 1
                chinese[category] += is_chinese(caption)
                tokens[n_tokens(caption) // _TOKEN_BIN * _TOKEN_BIN] += 1
    return {
        "captions": captions,
        "chinese": {category: chinese[category] for category in sorted(chinese, key=class_order) if chinese[category]},
        "tokens": {str(low): tokens[low] for low in range(0, max(tokens, default=-1) + 1, _TOKEN_BIN)},
    }


def count_clocks(keyed: Sequence[tuple[int, VideoFacts]], options: DataOptions) -> list[dict[str, Any]]:
    """How many items would be annotated past the end of their video, were frames counted at one rate or another.

    Nobody writes into a list at which rate its frames were counted. One that leaves items past the end is wrong.

    Args:
        keyed: the last frame that an item names, as it is written, and its video.
        options: of the dataset.

    Returns:
        For each rate `annotation_fps`, whether it is `chosen`, `items` and those `past_the_end`.
    """
    rates = dict.fromkeys((None, _LABEL_STUDIO_FPS, options.annotation_fps))
    counted = []
    for rate in rates:
        clock = replace(options, annotation_fps=rate)
        past = sum(clock.frame_at(last, facts.fps) >= facts.n_frames for last, facts in keyed)
        chosen = rate == options.annotation_fps
        counted.append({"annotation_fps": rate, "chosen": chosen, "items": len(keyed), "past_the_end": past})
    return counted


def last_frame(item: ListedItem) -> int | None:
    """The last frame that an item names, as it is written; None where it names none."""
    named = [region.end for region in item.regions]
    named += [key.get("frame") for region in item.regions for key in region.keyframes if isinstance(key, dict)]
    return max((int(frame) for frame in named if is_frame(frame)), default=None)
