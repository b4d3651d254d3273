"""Listed items and facts of videos, of which a test changes what it is about."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.fgclip.data.options import DataOptions
from scripts.fgclip.data.shapes import ListedItem, ListedRegion
from scripts.fgclip.data.video_facts import VideoFacts

OPTIONS = DataOptions(
    videos="/mnt/videos", keyframe_base=0, annotation_fps=None, max_regions=4, on_missing="stop", allow_missing=False
)
FACTS = VideoFacts(
    source="Abuse/Abuse001_x264.mp4",
    n_frames=300,
    fps=30.0,
    width=320,
    height=240,
    duration_s=10.0,
    codec="h264",
    variable_fps=False,
    size=1000,
    digest="ab12",
)
BOX = [0.1, 0.2, 0.5, 0.9]


def facts(**changed: Any) -> VideoFacts:
    return replace(FACTS, **changed)


def options(**changed: Any) -> DataOptions:
    return replace(OPTIONS, **changed)


def keyframe(frame: Any, bbox: Any = None, **more: Any) -> dict[str, Any]:
    return {"frame": frame, "bbox": BOX if bbox is None else bbox, **more}


def region(*keyframes: Any, caption: Any = "a man", start: Any = None, end: Any = None) -> ListedRegion:
    return ListedRegion(caption, start, end, keyframes)


def item(*regions: ListedRegion, video: Any = "Abuse001_x264.mp4", position: int = 0, **changed: Any) -> ListedItem:
    whole = ListedItem(Path("train.json"), position, video, "a man hits a dog", None, regions)
    return replace(whole, **changed)
