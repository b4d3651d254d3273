"""The test annotation of UCF-Crime: when each test video shows an anomaly."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.fgclip.data.categories import NORMAL
from scripts.fgclip.data.lookup import key_of
from scripts.shared.errors import PlanningError
from scripts.shared.json_items import refuse_unless_file
from scripts.shared.text_errors import text_errors

_FIELDS = 6
_SHAPE = "name, class, start, end, start, end, as in `Abuse028_x264.mp4  Abuse  165  240  -1  -1`"
_NUMBER = re.compile(r"-1|\d{1,9}")


@dataclass(frozen=True)
class AnnotatedVideo:
    """A row of the annotation.

    Attributes:
        name: of the video as written, with or without suffix.
        category: its class, `Normal` for none.
        intervals: frames [start, end) of the anomaly, from 0; none for a normal video.
    """

    name: str
    category: str
    intervals: tuple[tuple[int, int], ...]


def read_annotation(path: Path) -> list[AnnotatedVideo]:
    """Read the annotation of test videos.

    Args:
        path: a line a video of six fields between blanks: name, class, and two intervals, -1 -1 where there is none.

    Returns:
        The videos in the file's order. An interval is taken as [start, end) from 0: so PEL4VAD's published labels
        of all 290 videos follow from the file.

    Raises:
        PlanningError: the file cannot be read or a line is none such; names the line, what stands there and the mend.

    Source: Sultani et al. 2018, Temporal_Anomaly_Annotation_for_Testing_Videos.txt.
    """
    with text_errors(path, PlanningError, "does `test` in the configuration name the file?"):
        refuse_unless_file(path)
        text = path.read_text(encoding="utf-8-sig")
    videos: list[AnnotatedVideo] = []
    line_of: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            video = _video(fields)
            earlier = line_of.setdefault(key_of(video.name), number)
            if earlier != number:
                raise ValueError(f"the video stands in line {earlier} already; take one of them out")
        except ValueError as error:
            raise PlanningError(f"{path}: line {number}: {line.strip()!r:.200}: {error}") from None
        videos.append(video)
    if not videos:
        raise PlanningError(f"{path}: no line in it; it must give {_SHAPE}")
    return videos


def _video(fields: list[str]) -> AnnotatedVideo:
    """Take the fields of a line.

    Raises:
        ValueError: what is wrong with them and how to mend it.
    """
    if len(fields) != _FIELDS:
        raise ValueError(f"{len(fields)} fields between blanks, not {_FIELDS}; write {_SHAPE}")
    name, category, *numbers = fields
    if wrong := [number for number in numbers if not _NUMBER.fullmatch(number)]:
        raise ValueError(f"{wrong[0]!r:.40} is no frame number; write a whole number from 0, or -1 for none")
    intervals = tuple(_intervals([int(number) for number in numbers]))
    if category == NORMAL and intervals:
        raise ValueError("a Normal video has no interval; name its class, or write -1 -1 -1 -1")
    if category != NORMAL and not intervals:
        raise ValueError(f"a video of class {category} needs an interval; write its frames, or {NORMAL} as its class")
    return AnnotatedVideo(name, category, intervals)


def _intervals(numbers: list[int]) -> Iterator[tuple[int, int]]:
    for start, end in (numbers[:2], numbers[2:]):
        if (start, end) == (-1, -1):
            continue
        if not 0 <= start < end:
            raise ValueError(
                f"the interval {start} {end} does not go forwards; write its start, then its end, or -1 -1"
            )
        yield start, end
