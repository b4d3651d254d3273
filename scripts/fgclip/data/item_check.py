"""One listed item, checked: what is wrong with it, what should be looked at, and its record where it can be used."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

from scripts.fgclip.data.categories import NORMAL, category_of
from scripts.fgclip.data.options import DataOptions
from scripts.fgclip.data.records import Item, Key, Region
from scripts.fgclip.data.shapes import ListedItem, ListedRegion
from scripts.fgclip.data.video_facts import VideoFacts

MOST_TOKENS = 77  # that CLIP reads, start and end included
_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
# Half of a surrogate pair, which JSON can spell and no file can hold, and what steers a terminal.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ROUNDING = 1e-3  # of a box that reaches the border, written with three or four digits
_LARGEST = 1e9  # number that says anything of a video
_SPAN_ROUNDING_S = 0.1  # of timestamps, which annotators write in tenths


class Complaint(NamedTuple):
    """What is wrong with an item, or should be looked at: a class and one line."""

    kind: str
    message: str


@dataclass
class CheckedItem:
    """What came of an item.

    Attributes:
        item: its record, None where it cannot be used.
        errors: why it cannot.
        warnings: what should be looked at.
    """

    item: Item | None = None
    errors: list[Complaint] = field(default_factory=list)
    warnings: list[Complaint] = field(default_factory=list)


def is_chinese(text: str) -> bool:
    """Whether a text has Chinese characters: CJK ideographs, extension A and compatibility ones included."""
    return _CHINESE.search(text) is not None


def is_frame(value: Any) -> TypeGuard[int]:
    """Whether a value of a list can be the number of a frame."""
    return _is_number(value) and value == int(value) and value >= 0


def check_item(
    listed: ListedItem,
    key: str,
    facts: VideoFacts,
    options: DataOptions,
    *,
    n_tokens: Callable[[str], int],
    captioned: bool = True,
) -> CheckedItem:
    """Check an item whose video is there.

    Args:
        listed: the item as the list has it, readable.
        key: of its video.
        facts: of its video.
        options: of the dataset.
        n_tokens: counts the tokens of a caption, start and end included.
        captioned: whether captions matter; in a list of boxes alone they do not.

    Returns:
        The record with frames counted from 0 on the video's own clock, or all errors.
    """
    checked = CheckedItem()
    checked.errors += _unwritable_captions(listed)
    if captioned:
        _check_captions(listed, options, n_tokens, checked)
    span = _span(listed.span_s, facts, checked)
    regions = [
        region
        for number, of in enumerate(listed.regions)
        if (region := _region(of, f"region {number}", facts, options, checked)) is not None
    ]
    if checked.errors:
        return checked
    category = category_of(key)
    checked.item = Item(
        name=key if listed.span_s is None else f"{key}@{_seconds(listed.span_s)}",
        video=key,
        category=category,
        anomalous=any(region.keys for region in regions),
        caption=_text(listed.caption),
        span=span,
        regions=tuple(regions),
    )
    checked.warnings += _remarks(checked.item, facts, options)
    return checked


def _captions(listed: ListedItem) -> list[tuple[str, Any]]:
    """All captions of an item, each with the words for where it stands."""
    return [("the item", listed.caption), *((f"region {n}", of.caption) for n, of in enumerate(listed.regions))]


def _unwritable_captions(listed: ListedItem) -> Iterator[Complaint]:
    """Figures and pages show captions, those of boxes too."""
    for what, caption in _captions(listed):
        if isinstance(caption, str) and (found := _NO_TEXT.search(caption)):
            words = f"{what}: {caption!r:.60} holds {found[0]!a}, which is no text; take it out"
            yield Complaint("bad_caption", words)


def _check_captions(
    listed: ListedItem, options: DataOptions, n_tokens: Callable[[str], int], checked: CheckedItem
) -> None:
    for what, caption in _captions(listed):
        if not isinstance(caption, str) or not caption.strip():
            has = "no caption" if caption is None or caption == "" else f"{caption!r:.60} as its caption"
            checked.errors.append(Complaint("no_caption", f"{what} has {has}; write a sentence"))
            continue
        if is_chinese(caption):
            # A table that drops what it lacks has left none; where there is no table, the item goes.
            complaints = checked.warnings if options.on_missing == "keep" else checked.errors
            words = f"{what}: {caption!r:.60} is Chinese, which is noise to CLIP; translate it (option translations)"
            complaints.append(Complaint("chinese_caption", f"{words}, or set on_missing: keep"))
        if (n := n_tokens(caption)) > MOST_TOKENS:
            words = f"{what}: {n} tokens, of which CLIP reads {MOST_TOKENS}; shorten it: the rest is cut off"
            checked.warnings.append(Complaint("long_caption", words))


def _span(span_s: Any, facts: VideoFacts, checked: CheckedItem) -> tuple[int, int]:
    """The frames [start, end) of a span in seconds; of the whole video where there is none."""
    whole = (0, facts.n_frames)
    if span_s is None:
        return whole
    if not (isinstance(span_s, list) and len(span_s) == 2 and all(_is_number(bound) for bound in span_s)):
        wrong = f"timestamps are {span_s!r:.60}; write [start, end] in seconds, or null for the whole video"
        checked.errors.append(Complaint("bad_span", wrong))
        return whole
    start_s, end_s = span_s
    if not 0 <= start_s < end_s:
        wrong = f"timestamps are {start_s:g} and {end_s:g}; the first must be 0 or more and the second larger"
        checked.errors.append(Complaint("bad_span", wrong))
    elif not facts.fps:
        wrong = "the file gives its frames no times, so that timestamps find none; re-encode it, or write null"
        checked.errors.append(Complaint("no_frame_rate", wrong))
    elif end_s > facts.duration_s + _SPAN_ROUNDING_S:
        wrong = f"timestamps end at {end_s:g} s, but the video at {facts.duration_s:.2f} s; correct them"
        checked.errors.append(Complaint("bad_span", wrong))
    else:
        start = min(round(start_s * facts.fps), facts.n_frames - 1)
        return start, min(max(round(end_s * facts.fps), start + 1), facts.n_frames)
    return whole


def _region(
    listed: ListedRegion, what: str, facts: VideoFacts, options: DataOptions, checked: CheckedItem
) -> Region | None:
    complaints = list(_region_errors(listed, facts, options))
    checked.errors += [Complaint(kind, f"{what}: {message}") for kind, message in complaints]
    if complaints:
        return None
    # Two keyframes may come to one frame of a video that is slower than the annotators' clock: the later one holds.
    keys = {key.frame: key for key in _keys(listed, facts, options)}
    start, end = (
        None if bound is None else options.frame_at(int(bound), facts.fps) for bound in (listed.start, listed.end)
    )
    if len(keys) > 1 and start is None:
        start, end = min(keys), max(keys)
    return Region(_text(listed.caption), start, end, tuple(keys.values()))


def _region_errors(listed: ListedRegion, facts: VideoFacts, options: DataOptions) -> Iterator[Complaint]:
    bounds = (listed.start, listed.end)
    if bounds != (None, None):
        if not all(is_frame(bound) and bound >= options.keyframe_base for bound in bounds):
            words = f"start_frame is {listed.start!r:.40} and end_frame {listed.end!r:.40}"
            yield Complaint("bad_region", f"{words}; write two frame numbers from {options.keyframe_base} up, or none")
        elif listed.start > listed.end:
            yield Complaint("bad_region", f"start_frame {listed.start} comes after end_frame {listed.end}; swap them")
    if options.annotation_fps is not None and not facts.fps:
        words = "the file gives its frames no times, so that annotation_fps finds none; re-encode it"
        yield Complaint("no_frame_rate", words)
    seen: set[int] = set()
    for keyframe in listed.keyframes:
        yield from _keyframe_errors(keyframe, seen, options)


def _keyframe_errors(keyframe: Any, seen: set[int], options: DataOptions) -> Iterator[Complaint]:
    frame = keyframe.get("frame") if isinstance(keyframe, dict) else None
    if not is_frame(frame) or not isinstance(keyframe.get("enabled", True), bool):
        words = "needs frame, a whole number, bbox, four numbers, and enabled, true or false"
        yield Complaint("bad_keyframe", f"the keyframe {keyframe!r:.80} {words}")
        return
    if frame < options.keyframe_base:
        words = f"the keyframe at frame {frame} comes before the first, {options.keyframe_base}; see keyframe_base"
        yield Complaint("bad_keyframe", words)
    if frame in seen:
        yield Complaint("two_keyframes", f"two keyframes at frame {frame}; take one out")
    seen.add(frame)
    if wrong := _wrong_box(keyframe.get("bbox")):
        yield Complaint("bad_box", f"the box {keyframe.get('bbox')!r:.80} at frame {frame} {wrong}")


def _wrong_box(box: Any) -> str:
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        return "is not four numbers: write x1, y1, x2, y2"
    if min(box) < -_ROUNDING or max(box) > 1 + _ROUNDING:
        return "reaches out of the frame: write x1, y1, x2, y2 as fractions of width and height, from 0 to 1"
    x1, y1, x2, y2 = _within(box)
    if x1 >= x2 or y1 >= y2:
        return "is empty: write x1, y1, x2, y2, left and upper side first; these are corners, not width and height"
    return ""


def _within(box: list[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (min(max(float(side), 0.0), 1.0) for side in box)
    return x1, y1, x2, y2


def _keys(listed: ListedRegion, facts: VideoFacts, options: DataOptions) -> Iterator[Key]:
    for keyframe in sorted(listed.keyframes, key=lambda keyframe: int(keyframe["frame"])):
        frame = options.frame_at(int(keyframe["frame"]), facts.fps)
        yield Key(frame, *_within(keyframe["bbox"]), keyframe.get("enabled", True))


def _remarks(item: Item, facts: VideoFacts, options: DataOptions) -> Iterator[Complaint]:
    """What should be looked at in an item that can be used."""
    single = sum(len(region.keys) == 1 for region in item.regions)
    if single:
        words = f"{single} of its regions have one keyframe, seen only around it, or from start_frame to end_frame"
        yield Complaint("single_keyframe", words)
    if len(item.regions) > options.max_regions:
        words = f"{len(item.regions)} regions, of which a training takes max_regions: {options.max_regions} at a time"
        yield Complaint("many_regions", words)
    last = max((frame for region in item.regions for frame in _frames(region)), default=0)
    if last >= facts.n_frames:
        words = f"it is annotated up to frame {last}, but the video ends with {facts.n_frames - 1}"
        yield Complaint("past_the_end", f"{words}; were frames counted at another rate (option annotation_fps)?")
    if not facts.fps:
        yield Complaint("no_frame_rate", "the file gives its frames no times")
    elif facts.variable_fps:
        yield Complaint("variable_frame_rate", "its frames are not evenly spaced: seconds and frames part company")
    if item.category == NORMAL and item.anomalous:
        yield Complaint("normal_with_boxes", "a video of class Normal with keyframes counts as anomalous; rename it?")
    if item.category != NORMAL and not item.anomalous and item.span == (0, facts.n_frames):
        words = f"a whole video of class {item.category} without keyframes counts as normal; are its boxes missing?"
        yield Complaint("anomaly_without_boxes", words)


def _frames(region: Region) -> Iterator[int]:
    yield from (key.frame for key in region.keys)
    if region.end is not None:
        yield region.end


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST  # so no NaN either


def _text(caption: Any) -> str:
    return caption.strip() if isinstance(caption, str) else ""


def _seconds(span_s: list[float]) -> str:
    return "-".join(f"{bound:g}" for bound in span_s)
