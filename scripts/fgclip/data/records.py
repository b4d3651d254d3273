"""`records.json` and `test.json`: the checked data, as training, scoring and figures read them.

Frames are numbers of the frames that the decoder delivers, from 0; intervals are [start, end), but a region's `start`
and `end` are its first and its last frame, as annotators write them. Boxes are x1, y1, x2, y2 as fractions of the
frame's width and height, of the frame as it is shown.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from scripts.shared.errors import JobError
from scripts.shared.fingerprints import digest_value

FORMAT = 1  # of both files

Content = TypeVar("Content")


class Key(NamedTuple):
    """One keyframe: the box of a region at a frame; not `enabled` where the region is out of sight from then on."""

    frame: int
    x1: float
    y1: float
    x2: float
    y2: float
    enabled: bool


@dataclass(frozen=True)
class Region:
    """Something that a caption and boxes tell of.

    Attributes:
        caption: what it is; may be empty in a `TestSet`.
        start: its first frame, None where the list gives none.
        end: its last frame, inclusive; likewise.
        keys: keyframes, ascending, no two of one frame; none where the region is the whole picture.
    """

    caption: str
    start: int | None
    end: int | None
    keys: tuple[Key, ...]


@dataclass(frozen=True)
class Video:
    """A video of the training list, as it decodes.

    Attributes:
        path: where it lies, as it is opened.
        n_frames: frames that the decoder delivers.
        fps: mean frame rate; 0 where the file has no times.
        width: in pixels, as shown.
        height: likewise.
        digest: of its content.
    """

    path: Path
    n_frames: int
    fps: float
    width: int
    height: int
    digest: str


@dataclass(frozen=True)
class Item:
    """One captioned video, or a span of one.

    Attributes:
        name: unique in the list; may name a file.
        video: its key in `Records.videos`.
        category: class by the video's name, `Normal` for none.
        anomalous: whether any region has keyframes.
        caption: of the whole.
        span: frames [start, end) that it is about.
        regions: in the list's order.
    """

    name: str
    video: str
    category: str
    anomalous: bool
    caption: str
    span: tuple[int, int]
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class Records:
    """The training items that can be used.

    Attributes:
        videos: those of the items, by key.
        items: in list order.
    """

    videos: dict[str, Video]
    items: tuple[Item, ...]

    @property
    def digest(self) -> str:
        """Of all that training depends on: not of where the videos lie."""
        videos = {key: {**_video_json(video), "path": ""} for key, video in self.videos.items()}
        return digest_value([FORMAT, videos, [asdict(item) for item in self.items]])

    def as_json(self) -> dict[str, Any]:
        """The content of `records.json`."""
        return {
            "format": FORMAT,
            "digest": self.digest,
            "videos": {key: _video_json(video) for key, video in self.videos.items()},
            "items": [asdict(item) for item in self.items],
        }


@dataclass(frozen=True)
class LabelledVideo:
    """A test video and when it shows an anomaly.

    Attributes:
        key: its base name without suffix.
        path: where it lies, as it is opened.
        category: as annotated; `Normal` for none.
        n_frames: frames that the decoder delivers.
        fps: mean frame rate; 0 where the file has no times.
        intervals: frames [start, end) of the anomaly, none beyond the end of the video.
    """

    key: str
    path: Path
    category: str
    n_frames: int
    fps: float
    intervals: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class TestSet:
    """The test videos.

    Attributes:
        listed: videos in the annotation file, those that cannot be used included.
        videos: those that can, in the annotation's order.
        missing: keys of those that cannot.
        clipped: intervals that end beyond their video: `key`, `interval` as annotated, `n_frames`.
        boxes: annotated regions by key of the video, for pointing accuracy and outlines; may be empty.
    """

    __test__ = False  # no collection of tests, whatever pytest makes of the name

    listed: int
    videos: tuple[LabelledVideo, ...]
    missing: tuple[str, ...]
    clipped: tuple[dict[str, Any], ...]
    boxes: dict[str, tuple[Region, ...]]

    def as_json(self) -> dict[str, Any]:
        """The content of `test.json`."""
        return {
            "format": FORMAT,
            "listed": self.listed,
            "videos": [{**asdict(video), "path": str(video.path)} for video in self.videos],
            "missing": list(self.missing),
            "clipped": list(self.clipped),
            "boxes": {key: [asdict(region) for region in regions] for key, regions in self.boxes.items()},
        }


def read_records(path: Path) -> Records:
    """Read `records.json`, or a subset of it.

    Raises:
        JobError: it cannot be read, or another version wrote it.
    """
    return _read(path, _records)


def read_test(path: Path) -> TestSet:
    """Read `test.json`.

    Raises:
        JobError: it cannot be read, or another version wrote it.
    """
    return _read(path, _test_set)


def _read(path: Path, build: Callable[[dict[str, Any]], Content]) -> Content:
    try:
        content = json.loads(path.read_bytes())
        if content["format"] == FORMAT:
            return build(content)
        reason = f"it is of format {content['format']}, not {FORMAT}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"it cannot be read: {error!r:.200}"
    raise JobError(f"{path}: {reason}; delete it, and the target fgclip_validate makes it again")


def _records(content: dict[str, Any]) -> Records:
    return Records(
        {key: Video(**{**video, "path": Path(video["path"])}) for key, video in content["videos"].items()},
        tuple(
            Item(**{**item, "span": tuple(item["span"]), "regions": _regions(item["regions"])})
            for item in content["items"]
        ),
    )


def _test_set(content: dict[str, Any]) -> TestSet:
    videos = (
        LabelledVideo(
            **{**video, "path": Path(video["path"]), "intervals": tuple((s, e) for s, e in video["intervals"])}
        )
        for video in content["videos"]
    )
    boxes = {key: _regions(regions) for key, regions in content["boxes"].items()}
    return TestSet(content["listed"], tuple(videos), tuple(content["missing"]), tuple(content["clipped"]), boxes)


def _regions(regions: list[dict[str, Any]]) -> tuple[Region, ...]:
    return tuple(Region(**{**region, "keys": tuple(Key(*key) for key in region["keys"])}) for region in regions)


def _video_json(video: Video) -> dict[str, Any]:
    return {**asdict(video), "path": str(video.path)}
