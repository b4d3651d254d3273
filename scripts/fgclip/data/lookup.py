"""Where the videos of a list lie. Light: the planner reads it."""

import errno
import os
import re
from collections import defaultdict
from functools import cached_property
from pathlib import Path, PurePosixPath

from scripts.fgclip.data.categories import NORMAL, category_of
from scripts.shared.errors import SampleError
from scripts.shared.file_tree import find_files

SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv"})
_KEY = re.compile(r"[A-Za-z0-9_()-][A-Za-z0-9_.()-]{0,199}")
_UNPACKED = "UCF_Crimes_Videos/UCF_Crimes/Videos"  # below the folder into which the data set's archives are unpacked
_NORMAL_FOLDERS = ("Training_Normal_Videos_Anomaly", "Testing_Normal_Videos_Anomaly", "Normal_Videos_event")
_COMPARED_BYTES = 1 << 20


def key_of(name: str) -> str:
    """The key of a video: its base name without suffix, unchecked.

    Args:
        name: as a list has it, with or without folders and suffix.
    """
    base = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    stem, suffix = os.path.splitext(base)
    return stem if suffix.lower() in SUFFIXES else base


def checked_key(name: str) -> str:
    """The key of a video, which may name files.

    Raises:
        SampleError: `bad_name`.
    """
    key = key_of(name)
    if not _KEY.fullmatch(key):
        raise SampleError(
            "bad_name", f"{name!r:.200}: its base name must be of 1 to 200 of A-Z a-z 0-9 _ . - ( ), no dot first"
        )
    return key


class VideoIndex:
    """The videos below a folder.

    Args:
        root: the folder; links in it are followed, wherever they lead.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, name: str) -> str:
        """Find a video by the name that a list gives it.

        Looked for are, in this order: the path below the root; the file in the folder of its class, or of that name,
        where UCF-Crime's archives put it; any file of its base name.

        Args:
            name: a path relative to the root or a base name, the suffix of which may be absent.

        Returns:
            The path of the file, relative to the root.

        Raises:
            SampleError: `bad_name`; `bad_path` for an absolute path or one with `..`; `missing_video`; `two_videos`
                where different files have the base name.
            PlanningError: the root cannot be read.
        """
        key = checked_key(name)
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
            raise SampleError("bad_path", f"{name!r:.200}: write it relative to `videos`, with / and without `..`")
        folders = dict.fromkeys((path.parent.name, category_of(path.name), *_normal_folders(path.name)))
        places = [path, *(PurePosixPath(_UNPACKED, folder, path.name) for folder in folders if folder)]
        for place in places:
            if _is_file(self._root / place):
                return str(place)
        return self._by_base_name(name, path.name, key)

    def _by_base_name(self, name: str, base: str, key: str) -> str:
        found = self._paths_of.get(key, [])
        found = [path for path in found if path.rpartition("/")[2] == base] or found
        if not found:
            raise SampleError("missing_video", f"{name!r:.200}: no such video in {self._root}; is `videos` right?")
        first, *others = found
        for other in others:
            if not _same_content(self._root / first, self._root / other):
                raise SampleError(
                    "two_videos",
                    f"{name!r:.200}: {first} and {other} in {self._root} are different videos of this name; write the "
                    "path in the list, or take one away",
                )
        return first

    @cached_property
    def _paths_of(self) -> dict[str, list[str]]:
        """The paths of all videos by key, sorted."""
        paths: dict[str, list[str]] = defaultdict(list)
        for path in sorted(find_files(self._root, SUFFIXES, option="videos")):
            paths[key_of(path)].append(path)
        return dict(paths)


def _is_file(path: Path) -> bool:
    """Whether it is one; a path that is too long for the disk names none."""
    try:
        return path.is_file()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def _normal_folders(name: str) -> tuple[str, ...]:
    return _NORMAL_FOLDERS if category_of(name) == NORMAL else ()


def _same_content(one: Path, other: Path) -> bool:
    """Whether two files are copies of one video: of one size, with equal first bytes.

    UCF-Crime has some normal videos in two folders; comparing them whole would read gigabytes at every plan.
    """
    if one.samefile(other):
        return True
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        return first.read(_COMPARED_BYTES) == second.read(_COMPARED_BYTES)
