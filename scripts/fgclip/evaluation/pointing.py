"""Pointing accuracy: whether the place of the largest margin lies in the annotated box."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scripts.fgclip.data.boxes import Box, box_at
from scripts.fgclip.data.records import Region
from scripts.fgclip.scoring.score_files import VideoScores


class Pointing(NamedTuple):
    """The scored frames of one video that show an annotated box.

    Attributes:
        n_frames: how many.
        n_hits: those whose largest margin is in a box.
        chance: sum over them of what a place drawn at random gets.
    """

    n_frames: int
    n_hits: int
    chance: float


def point(video: VideoScores, regions: Sequence[Region]) -> Pointing:
    """Ask each scored frame of a video with an annotated box where its largest margin is.

    A place is where its middle is, and the first one, row by row, where several have the largest margin.

    Source: the pointing game, Zhang et al. 2016 (arXiv:1608.00507), by places of the map instead of pixels.
    """
    height, width = video.margin_map.shape[1:]
    ends = [*video.frames[1:].tolist(), video.n_frames]
    n_frames = n_hits = 0
    chance = 0.0
    for margins, frame, end in zip(video.margin_map, video.frames.tolist(), ends, strict=True):
        boxes = [box for region in regions if (box := box_at(region, frame, bin_frames=(frame, end))) is not None]
        if boxes:
            inside = _inside(boxes, height, width)
            n_frames += 1
            n_hits += bool(inside.flat[margins.argmax()])
            chance += float(inside.mean())
    return Pointing(n_frames, n_hits, chance)


def point_all(videos: Mapping[str, VideoScores], boxes: Mapping[str, Sequence[Region]]) -> dict[str, Pointing]:
    """`point` for each video that has boxes, by key; those that show none at a scored frame are left out."""
    found = {key: point(video, boxes[key]) for key, video in videos.items() if key in boxes}
    return {key: one for key, one in found.items() if one.n_frames}


def _inside(boxes: Sequence[Box], height: int, width: int) -> NDArray[np.bool_]:
    """(H, W) bool, whether the middle of a place lies in one of the boxes."""
    y, x = (np.arange(height)[:, None] + 0.5) / height, (np.arange(width) + 0.5) / width
    inside = np.zeros((height, width), np.bool_)
    for x1, y1, x2, y2 in boxes:
        inside |= (x1 <= x) & (x < x2) & (y1 <= y) & (y < y2)
    return inside
