"""The videos of a dataset in their order, for the planner. Light."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.fgclip.data.annotation import read_annotation
from scripts.fgclip.data.lookup import VideoIndex, checked_key
from scripts.fgclip.data.shapes import read_items
from scripts.shared.errors import PlanningError, SampleError
from scripts.shared.fingerprints import canonical_json
from scripts.shared.planning.stage import SourceEntry

TRAIN, TEST = "train", "test"
_NO_KEY = re.compile(r"[^A-Za-z0-9_.()/-]")
_NAMED = 5


def facts_file(key: str) -> str:
    """Where the facts of a video lie in the dataset's folder."""
    return f"videos/{key}.json"


def refuse_leak(train: set[str], test: set[str], annotation: Path) -> None:
    """Stop where a training video is a test video too.

    Args:
        train: keys of the training videos.
        test: keys of the test videos.
        annotation: the file that names the test videos.

    Raises:
        PlanningError: names some of them.
    """
    if leaked := sorted(train & test):
        more = f" and {len(leaked) - _NAMED} more" if len(leaked) > _NAMED else ""
        raise PlanningError(
            f"{annotation}: {len(leaked)} of its test videos are in the training list too: "
            f"{', '.join(leaked[:_NAMED])}{more}; take them out of one of the two, or no score means anything"
        )


@dataclass
class _Listed:
    source: str
    error: tuple[str, str] | None
    roles: list[str]


class VideoList:
    """The videos that the training lists and the test annotation name.

    Args:
        dataset: the options `videos`, the folder that the names are relative to; `train`, the list of captions and
            boxes; and `test`, the annotation.
    """

    def __init__(self, dataset: Mapping[str, Any]) -> None:
        self._root = Path(dataset["videos"])
        self._train, self._test = Path(dataset["train"]), Path(dataset["test"])

    def entries(self) -> Iterator[SourceEntry]:
        """Yield one entry a video, training videos first, each in the order of the lists.

        Its key is the base name without suffix, its `roles` are `train`, `test`. A video that cannot be had carries its
        error.

        Raises:
            PlanningError: a list is none, the folder cannot be read, or a training video is a test video too.
        """
        index = VideoIndex(self._root)
        listed: dict[str, _Listed] = {}
        for role, name in dict.fromkeys(self._names()):
            _take(listed, index, role, name)
        train, test = ({key for key, video in listed.items() if role in video.roles} for role in (TRAIN, TEST))
        refuse_leak(train, test, self._test)
        for key, video in listed.items():
            if video.error is None:
                entry = {"roles": video.roles, "source": video.source, "files": [facts_file(key)]}
                yield SourceEntry(key, video.source, canonical_json(entry))
            else:
                yield SourceEntry(key, "", canonical_json({"roles": video.roles, "error": list(video.error)}))

    def _names(self) -> Iterator[tuple[str, str]]:
        for item in read_items(self._train):
            # An item that names no video is a failure of the list, not of a video: the validator tells of it.
            if isinstance(item.video, str) and item.video:
                yield TRAIN, item.video
        for video in read_annotation(self._test):
            yield TEST, video.name


def _take(listed: dict[str, _Listed], index: VideoIndex, role: str, name: str) -> None:
    """Add a video, or what another name says of it."""
    try:
        key, error = checked_key(name), None
    except SampleError as reason:
        key, error = f"{_NO_KEY.sub('?', name)[:200]} (no key)", (reason.error, reason.message)
    source = ""
    if error is None:
        try:
            source = index.find(name)
        except SampleError as reason:
            error = (reason.error, reason.message)
    video = listed.setdefault(key, _Listed(source, error, []))
    if role not in video.roles:
        video.roles.append(role)
    if video.error is None and source and source != video.source:
        words = f"{video.source} and {source} would have one name, {key}; rename one, or take it out of the list"
        video.error = ("two_videos", words)
