"""The options of a dataset on which its records depend. Light: the planner reads it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class DataOptions:
    """How the lists of a dataset are to be understood.

    Attributes:
        videos: the folder of the videos.
        keyframe_base: number that annotators gave to a video's first frame, 0 or 1.
        annotation_fps: frame rate at which they numbered; None where they numbered the video's own frames.
        max_regions: regions of an item that a training takes.
        on_missing: `stop`, `keep` or `drop`, for a Chinese caption that has no translation.
        allow_missing: whether test videos may be missing.
    """

    videos: str
    keyframe_base: int
    annotation_fps: float | None
    max_regions: int
    on_missing: str
    allow_missing: bool

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> "DataOptions":
        """Take them from a dataset's configuration, or from what `as_settings` gave."""
        return cls(**{name: options[name] for name in cls.__dataclass_fields__})

    def as_settings(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)

    def frame_at(self, annotated: int, fps: float) -> int:
        """The frame of a video that annotators gave a number.

        Args:
            annotated: the number.
            fps: frame rate of the video; matters only where `annotation_fps` is given.

        Returns:
            Number of the nearest frame, from 0; negative where `annotated` is below `keyframe_base`.
        """
        from_zero = annotated - self.keyframe_base
        if self.annotation_fps is None:
            return from_zero
        return math.floor(from_zero * fps / self.annotation_fps + 0.5)
