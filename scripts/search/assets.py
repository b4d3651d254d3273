"""The pictures and videos below the configured folders, as the planner's list. Light: the planner reads it."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath

from scripts.search.database import IMAGE, VIDEO
from scripts.search.places import VECTOR_SUFFIX, vector_file
from scripts.shared.errors import PlanningError
from scripts.shared.file_names import BAD_NAME, MAX_NAME_BYTES, NO_NAME, free_key, shown_name
from scripts.shared.file_tree import find_files
from scripts.shared.fingerprints import canonical_json
from scripts.shared.planning.stage import SourceEntry

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".heic", ".heif"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi"})
_PLACE = re.compile(r" \(place \d+\)'*$")  # behind a name that is no key, see `free_key`
_GONE_FROM = 20  # files: fewer say nothing about a fraction


class AssetList:
    """The pictures and videos below some folders, by path.

    Args:
        folders: by name, as configured.
        frame_interval: seconds between the frames of a video that are indexed; stands in the videos' entries alone, so
            that another one leaves the pictures as they are.
        only: real paths of the files that are wanted; None for all.
    """

    def __init__(
        self, folders: Mapping[str, str], *, frame_interval: float, only: Collection[str] | None = None
    ) -> None:
        self._folders, self._frame_interval, self._only = dict(folders), frame_interval, only
        self._remarks: list[str] = []

    def read(self) -> list[SourceEntry]:
        """The assets by path; those that cannot be samples carry their error.

        Raises:
            PlanningError: a folder cannot be read, or holds nothing to be indexed.
        """
        self._remarks = []
        found = sorted(
            (f"{name}/{inner}", folder)
            for name, folder in self._folders.items()
            for inner in find_files(Path(folder), IMAGE_SUFFIXES | VIDEO_SUFFIXES, option=f"folders.{name}")
        )
        real = _RealPaths(self._folders)
        if self._only is not None:
            n_found = len(found)
            found = [(key, folder) for key, folder in found if real.of(key, folder) in self._only]
            self._remarks.append(f"{n_found - len(found):,} of {n_found:,} files are not in assets_from: left out")
        return sorted(self._entries([key for key, _ in found], real))

    def remarks(self) -> list[str]:
        """What the user should know of the list that was read, a line each."""
        return self._remarks

    def _entries(self, keys: list[str], real: "_RealPaths") -> Iterator[SourceEntry]:
        parents = {str(above) for key in keys for above in PurePosixPath(key).parents}
        taken = set(keys)
        for place, key in enumerate(keys):
            wrong = _why_not(key, parents) or real.why_outside(key)
            if wrong is None:
                yield SourceEntry(key, key, self._entry(key))
                continue
            name = key
            if NO_NAME.search(key):
                name = free_key(place, key, taken)
                taken.add(name)
            said = {"error": [wrong[0], f"{shown_name(key)}: {wrong[1]}"]}
            yield SourceEntry(name, "", canonical_json(said))

    def _entry(self, key: str) -> bytes:
        kind = kind_of(key)
        said = {"source": key, "files": [vector_file(key)], "kind": kind}
        return canonical_json(said if kind == IMAGE else said | {"frame_interval": self._frame_interval})


def kind_of(path: str) -> str:
    """Whether a file, or the key of one, is taken for a picture or a video: "image" or "video"."""
    return VIDEO if os.path.splitext(_PLACE.sub("", path))[1].lower() in VIDEO_SUFFIXES else IMAGE


def _why_not(key: str, parents: Collection[str]) -> tuple[str, str] | None:
    """Why a path can be no sample: error class and words."""
    if NO_NAME.search(key):
        return BAD_NAME
    if len(f"{key.rpartition('/')[2]}{VECTOR_SUFFIX}".encode()) > MAX_NAME_BYTES:
        return "bad_name", "is so long that its vectors could not be named after it; shorten it"
    if f"{key}{VECTOR_SUFFIX}" in parents:
        return "name_clash", "its vectors would have the name of a folder; rename it"
    return None


class _RealPaths:
    """Where files lie when links are followed; a folder is looked up once."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        self._folders = folders
        self._roots = [os.path.realpath(folder) + os.sep for folder in folders.values()]
        self._known: dict[str, str] = {}

    def of(self, key: str, folder: str) -> str:
        path = os.path.join(folder, key.partition("/")[2])
        if os.path.islink(path):
            return os.path.realpath(path)
        above, name = os.path.split(path)
        if above not in self._known:
            self._known[above] = os.path.realpath(above)
        return os.path.join(self._known[above], name)

    def why_outside(self, key: str) -> tuple[str, str] | None:
        """Why a file is not one of the folders': a link leads out of them, and what lies there is nobody's to show."""
        real = self.of(key, self._folders[key.partition("/")[0]])
        if real.startswith(tuple(self._roots)):
            return None
        return (
            "outside",
            f"a link leads to {shown_name(real)}, outside of the folders; name that folder too, or copy it",
        )


def check_not_gone(
    found: Collection[str],
    indexed: Collection[str],
    folders: Mapping[str, str],
    *,
    label: str,
    max_gone_fraction: float,
) -> None:
    """Stop where folders show far fewer files than are in the index: one may not be mounted.

    Args:
        found: keys of the files that are there.
        indexed: keys in the index that is in its place.
        folders: as configured; what is in the index of others is no affair of theirs.
        label: the dataset in words.
        max_gone_fraction: how much may be gone, from 20 files up.

    Raises:
        PlanningError: a folder shows none of its files any more, or too many are gone.
    """
    before = [key for key in indexed if key.partition("/")[0] in folders]
    gone = set(before).difference(found)
    for name, folder in folders.items():
        of_folder = [key for key in before if key.startswith(f"{name}/")]
        if of_folder and gone.issuperset(of_folder):
            raise PlanningError(_gone(label, len(of_folder), len(of_folder), folder))
    if len(gone) >= _GONE_FROM and len(gone) > max_gone_fraction * len(before):
        raise PlanningError(_gone(label, len(gone), len(before), ", ".join(folders.values())))


def _gone(label: str, n_gone: int, n_before: int, where: str) -> str:
    return (
        f"{label}: {n_gone:,} of {n_before:,} files that are in the index cannot be seen now in {where}: is it "
        "mounted? Nothing was changed. --config sources_gone=ok goes on and takes them out of the index"
    )
