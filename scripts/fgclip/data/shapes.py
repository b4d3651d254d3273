"""The shapes in which captions and boxes are written, read into one.

A, list with `bbox_info`:
    [{"f_path": "Abuse001_x264.mp4", "global_caption": "...", "bbox_info": [{"caption": "...", "start_frame": 192,
      "end_frame": 333, "keyframes": [{"frame": 192, "bbox": [x1, y1, x2, y2], "enabled": true}]}]}]
B, list with parallel arrays:
    [{"video": "Abuse001_x264.mp4", "global_caption": "...", "region_captions": ["..."],
      "box_infos": [[{"frame": 192, "bbox": [...]}]], "timestamps": null or [start_s, end_s]}]
C, object by video:
    {"Abuse001_x264.mp4": {"global": {"Caption": "..."}, "region": [{"caption": "...", "keyframes": [...]}]}}
D, several files of these: a text file with one path a line, or a folder, of which all *.json are taken.

Light: the planner reads it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.shared.errors import PlanningError
from scripts.shared.json_items import refuse_unless_file
from scripts.shared.text_errors import text_errors

_SHAPES = (
    "a list of objects with f_path and bbox_info, or with video, region_captions and box_infos, or an object of "
    "videos with global and region"
)
_QUESTION = "does the path in the configuration name the list?"
_KEYS_A, _KEYS_B, _KEYS_C = {"f_path", "bbox_info"}, {"video", "region_captions", "box_infos"}, {"global", "region"}
_IMAGE_KEYS = {"bbox", "short_expr", "long_expr", "flag_short_neg", "short_expr_negs"}  # of a box of the image format


@dataclass(frozen=True)
class ListedRegion:
    """A region as a list gives it; every value unchecked, None where it is absent.

    Attributes:
        caption: should be a string.
        start: number of its first frame.
        end: number of its last frame.
        keyframes: objects with `frame`, `bbox` and `enabled`.
    """

    caption: Any
    start: Any
    end: Any
    keyframes: tuple[Any, ...]


@dataclass(frozen=True)
class ListedItem:
    """An item as a list gives it; every value unchecked, None where it is absent.

    Attributes:
        file: the list that has it.
        position: of it there, from 0.
        video: name of the video.
        caption: of the whole.
        span_s: [start, end] in seconds.
        regions: in the list's order.
        wrong: what keeps the item from being read, and the mend; empty where nothing does.
    """

    file: Path
    position: int
    video: Any
    caption: Any
    span_s: Any
    regions: tuple[ListedRegion, ...]
    wrong: str = ""

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"{self.file}: item {self.position}"


def list_files(path: Path) -> list[Path]:
    """The JSON files of a list: itself, those that a text file names, or those in a folder, sorted.

    Args:
        path: a `.json` file, a text file with one path a line, relative to its own folder, or a folder.

    Raises:
        PlanningError: it cannot be read, or there is none.
    """
    with text_errors(path, PlanningError, _QUESTION):
        if path.is_dir():
            files = sorted(path.glob("*.json"))
        elif path.suffix.lower() == ".txt":
            refuse_unless_file(path)
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            files = [path.parent / line.strip() for line in lines if line.strip()]
        else:
            files = [path]
    if not files:
        raise PlanningError(f"{path}: no JSON file in it; name a list, a text file of lists, or a folder with some")
    return files


def read_items(path: Path) -> list[ListedItem]:
    """Read the items of a list in any of its shapes.

    Args:
        path: see `list_files`.

    Returns:
        The items of all files in their order. One that cannot be read says so, and the others are there all the same.

    Raises:
        PlanningError: a file cannot be read, is no such list, or holds nothing; names it and the mend.
    """
    return [item for file in list_files(path) for item in _read_file(file)]


def read_json(path: Path, read_object: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """The content of a list's file.

    Args:
        path: UTF-8, with or without a byte order mark.
        read_object: makes an object of its members as written; may refuse them with a ValueError.

    Raises:
        PlanningError: it cannot be read, or is no JSON; names the line where one is to blame.
    """
    with text_errors(path, PlanningError, _QUESTION):
        refuse_unless_file(path)
        text = path.read_text(encoding="utf-8-sig")
    try:
        return json.loads(text, object_pairs_hook=read_object)
    except json.JSONDecodeError as error:
        raise PlanningError(f"{path}: no JSON at line {error.lineno}: {error.msg}; mend it there") from error
    except (RecursionError, ValueError) as error:
        raise PlanningError(f"{path}: no JSON that can be read: {error}") from error


class _Object(dict[str, Any]):
    """A JSON object that remembers its members as written: of two with one name, a dict keeps the later alone."""

    def __init__(self, members: list[tuple[str, Any]]) -> None:
        super().__init__(members)
        self.members = members


def _read_file(path: Path) -> list[ListedItem]:
    content = read_json(path, _Object)
    if isinstance(content, _Object) and not _holds(content, _KEYS_A | _KEYS_B):
        # Not `content.items()`: a video that is named twice must be seen.
        items = [_shape_c(path, place, *member) for place, member in enumerate(content.members)]
    elif isinstance(content, list):
        _refuse_images(path, content)
        items = [_list_member(path, place, member) for place, member in enumerate(content)]
    else:
        raise PlanningError(f"{path}: {_kind(content)}, not {_SHAPES}")
    if not items:
        raise PlanningError(f"{path}: it holds no item; it must be {_SHAPES}")
    if all(item.wrong and item.video is None for item in items):
        raise PlanningError(f"{path}: not {_SHAPES}: item 0 {items[0].wrong}")
    return items


def _refuse_images(path: Path, members: list[Any]) -> None:
    """Say plainly that FG-CLIP's own image lists are another thing than lists of videos."""
    for member in members:
        boxes = member.get("bbox_info") if isinstance(member, _Object) else None
        first = boxes[0] if isinstance(boxes, list) and boxes else None
        if isinstance(first, _Object) and _holds(first, _IMAGE_KEYS) and "keyframes" not in first:
            raise PlanningError(
                f"{path}: this is FG-CLIP's format for images (a box has {_named(first, _IMAGE_KEYS)}); a list of "
                "videos gives each box as keyframes, with a caption, start_frame and end_frame"
            )


def _list_member(file: Path, position: int, member: Any) -> ListedItem:
    if not isinstance(member, _Object):
        return _unread(file, position, f"is {_kind(member)}, not an object")
    if _holds(member, _KEYS_A):
        return _shape_a(file, position, member)
    if _holds(member, _KEYS_B):
        return _shape_b(file, position, member)
    found = ", ".join(map(repr, member))[:80] or "nothing"
    return _unread(file, position, f"has neither f_path and bbox_info nor video and region_captions, but {found}")


def _shape_a(file: Path, position: int, item: Mapping[str, Any]) -> ListedItem:
    about = item.get("f_path"), item.get("global_caption"), item.get("timestamps")
    return _with_regions(file, position, *about, _members(item.get("bbox_info"), "bbox_info"))


def _shape_b(file: Path, position: int, item: Mapping[str, Any]) -> ListedItem:
    video = item.get("video")
    captions, boxes = (_members(item.get(name), name) for name in ("region_captions", "box_infos"))
    for wrong in (captions, boxes):
        if isinstance(wrong, str):
            return _unread(file, position, wrong, video)
    if boxes and len(boxes) != len(captions):
        wrong = f"has {len(captions)} region_captions and {len(boxes)} box_infos; give each caption its list of boxes"
        return _unread(file, position, wrong, video)
    regions = [
        ListedRegion(caption, None, None, _keyframes(keyframes))
        for caption, keyframes in zip(captions, boxes or [None] * len(captions), strict=True)
    ]
    return ListedItem(file, position, video, item.get("global_caption"), item.get("timestamps"), tuple(regions))


def _shape_c(file: Path, position: int, video: str, item: Any) -> ListedItem:
    if not isinstance(item, _Object) or not _holds(item, _KEYS_C):
        return _unread(file, position, f"({video!r:.80}) is no object with global and region")
    about = item.get("global")
    caption = _caption(about) if isinstance(about, _Object) else about
    return _with_regions(file, position, video, caption, item.get("timestamps"), _members(item.get("region"), "region"))


def _with_regions(
    file: Path, position: int, video: Any, caption: Any, span_s: Any, regions: list[Any] | str
) -> ListedItem:
    if isinstance(regions, str):
        return _unread(file, position, regions, video)
    return ListedItem(file, position, video, caption, span_s, tuple(map(_region, regions)))


def _region(region: Any) -> ListedRegion:
    if not isinstance(region, _Object):
        return ListedRegion(region, None, None, ())  # what is no caption is told of where captions are checked
    return ListedRegion(
        _caption(region), region.get("start_frame"), region.get("end_frame"), _keyframes(region.get("keyframes"))
    )


def _caption(holder: Mapping[str, Any]) -> Any:
    return holder.get("caption", holder.get("Caption"))


def _keyframes(keyframes: Any) -> tuple[Any, ...]:
    if keyframes is None:
        return ()
    return tuple(keyframes) if isinstance(keyframes, list) else (keyframes,)


def _members(value: Any, name: str) -> list[Any] | str:
    """A list, empty where there is none; what is wrong where it is something else."""
    if value is None:
        return []
    return value if isinstance(value, list) else f"has {_kind(value)} as {name}, not a list"


def _unread(file: Path, position: int, wrong: str, video: Any = None) -> ListedItem:
    return ListedItem(file, position, video, None, None, (), wrong)


def _holds(member: Mapping[str, Any], keys: set[str]) -> bool:
    return not keys.isdisjoint(member)


def _named(member: Mapping[str, Any], keys: set[str]) -> str:
    return ", ".join(name for name in member if name in keys)


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {_Object: "an object", list: "a list", str: "a text", bool: "true or false"}
    if value is None:
        return "nothing (null)"
    return kinds.get(type(value), "a number")
