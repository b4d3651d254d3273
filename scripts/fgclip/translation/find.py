"""Where the captions of a list stand, in each of its shapes (see `data.shapes`), to be read and written in place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.fgclip.data.shapes import read_json
from scripts.shared.errors import PlanningError

ORIGINAL = "_zh"  # behind the name of a field, the text that was translated
_CAPTIONS = ("caption", "Caption")
_REGIONS, _BOXES = "region_captions", "box_infos"


@dataclass(frozen=True)
class Caption:
    """A caption of an item.

    Attributes:
        text: what it says.
        item: the object that it belongs to.
        region: number of the region that it is of; None for the item's own.
    """

    text: str
    item: dict[str, Any]
    region: int | None

    def write(self, english: str) -> None:
        """Put the translation in the caption's place, and the caption beside it."""
        holder, name = _holder(self.item, self.region)
        if isinstance(holder, list):
            # Parallel arrays: the captions as they were, all of them, in an array of the same length.
            self.item.setdefault(_REGIONS + ORIGINAL, list(holder))
            holder[name] = english
        else:
            holder[name + ORIGINAL] = self.text
            holder[name] = english


def read_members(path: Path) -> list[Any]:
    """The members of one file; those of the older form, an object of videos, as objects with `f_path`.

    Raises:
        PlanningError: it cannot be read, is no list of videos, or names a field twice.
    """
    content = read_json(path, _each_once)
    if isinstance(content, dict):
        return [_with_path(name, member) for name, member in content.items()]
    if isinstance(content, list):
        return content
    raise PlanningError(f"{path}: neither a list of objects nor an object of videos; see docs/fgclip.md for its shapes")


def captions_of(member: Any) -> Iterator[Caption]:
    """The captions of one member: its own, and those of its regions. What is no text is left to the validator."""
    if not isinstance(member, dict):
        return
    for region in [None, *range(_n_regions(member))]:
        holder, name = _holder(member, region)
        text = holder[name] if name is not None else None
        if isinstance(text, str):
            yield Caption(text, member, region)


def drop_regions(item: dict[str, Any], numbers: set[int]) -> None:
    """Take regions out of an item, with all that belongs to them."""
    for name in ("bbox_info", _REGIONS, _REGIONS + ORIGINAL, _BOXES):
        if isinstance(item.get(name), list):
            item[name] = [value for number, value in enumerate(item[name]) if number not in numbers]


def _each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r:.80} is there twice in one object; keep one of them")
    return found


def _with_path(name: str, member: Any) -> dict[str, Any]:
    """A video of the older form in that of the newer one; its regions have the same fields in both."""
    if not isinstance(member, dict):
        return {"f_path": name, "bbox_info": member}
    about = member.get("global")
    rest = {key: value for key, value in member.items() if key not in ("global", "region")}
    caption = about.get("caption", about.get("Caption")) if isinstance(about, dict) else about
    return {"f_path": name, "global_caption": caption, "bbox_info": member.get("region"), **rest}


def _n_regions(item: dict[str, Any]) -> int:
    for name in ("bbox_info", _REGIONS):
        if isinstance(item.get(name), list):
            return len(item[name])
    return 0


def _holder(item: dict[str, Any], region: int | None) -> tuple[Any, Any]:
    """What holds a caption and its name or number there; None for the name where there is no caption."""
    if region is None:
        return item, "global_caption" if "global_caption" in item else None
    if isinstance(item.get("bbox_info"), list):
        about = item["bbox_info"][region]
        names = [name for name in _CAPTIONS if isinstance(about, dict) and name in about]
        return about, names[0] if names else None
    return item[_REGIONS], region
