"""Links and copies below a folder that users write to as well."""

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from scripts.shared.atomic_files import TEMPORARY_PREFIX
from scripts.shared.errors import JobError

_COARSE_NS = 2_000_000_000  # what the coarsest file systems round a time to
_NO_HARDLINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)


class Recording(NamedTuple):
    """What a link or copy is of; inode, size and time of change tell it from a file of the user's."""

    source: str
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Made:
    """What was made in one go, or is to be.

    Attributes:
        materialise: `symlink`, `hardlink`, `copy` or `none`.
        input_dir: absolute path of the folder of the recordings.
        files: recordings by path below the output folder; `source` is relative to `input_dir`.
    """

    materialise: str
    input_dir: str
    files: dict[str, Recording]

    def source(self, path: str) -> str:
        """Absolute path of the recording that belongs at a path."""
        return os.path.join(self.input_dir, self.files[path].source)

    def holds(self, path: str, place: str, found: os.stat_result) -> bool:
        """Tell whether what lies at a path is what was made, and not a user's."""
        if path not in self.files:
            return False
        if self.materialise == "symlink":
            return stat.S_ISLNK(found.st_mode) and os.readlink(place) == self.source(path)
        recording = self.files[path]
        if self.materialise == "hardlink":
            return stat.S_ISREG(found.st_mode) and found.st_ino == recording.inode
        same_time = abs(found.st_mtime_ns - recording.mtime_ns) < _COARSE_NS
        return stat.S_ISREG(found.st_mode) and found.st_size == recording.size and same_time

    def is_last(self, path: str, found: os.stat_result) -> bool:
        """Tell whether the recording would be lost with the file."""
        if self.materialise == "hardlink":
            return found.st_nlink == 1
        return self.materialise == "copy" and not os.path.exists(self.source(path))


class Folder:
    """An output folder, and what is done in it.

    Args:
        root: the folder.
        earlier: all that may have been made in it before.
        interrupted: whether whoever made it was killed, perhaps while copying a file.

    Attributes:
        n_made, n_kept, n_removed: files.
        not_ours: paths of files and folders that are in the way, or are not any more as they were made; left alone.
        last_copies: paths not wanted any more whose recording is gone; left alone.
    """

    def __init__(self, root: Path, earlier: list[Made], *, interrupted: bool) -> None:
        self._root, self._earlier, self._interrupted = os.fspath(root), earlier, interrupted
        self._is_folder = {"": True}
        self._held: set[str] = set()  # made before, there, and not made anew
        self.n_made = self.n_kept = self.n_removed = 0
        self.not_ours: set[str] = set()
        self.last_copies: list[str] = []

    def remove_all_but(self, wanted: Made, missing: Mapping[str, str]) -> None:
        """Remove what was made before and is not wanted, and the folders that this empties.

        Args:
            wanted: what is to be there.
            missing: paths of what is to be there too, whose recordings cannot be seen: those made before stay.
        """
        emptied = set()
        for path in sorted({path for made in self._earlier for path in made.files if path not in wanted.files}):
            folder, place = os.path.dirname(path), self._place(path)
            if not self._enter(folder, make=False):
                continue
            if self._interrupted:
                _unlink(_beside(place))
            emptied.add(folder)
            found, maker = self._look(path, self._earlier)
            if found is None:
                continue
            if maker is None:
                self.not_ours.add(path)
            elif missing.get(path) == maker.files[path].source:
                self._held.add(path)
                self.n_kept += 1
            elif maker.is_last(path, found):
                self._held.add(path)
                self.last_copies.append(path)
            else:
                os.unlink(place)
                self.n_removed += 1
        self._remove_empty(emptied)

    def make(self, wanted: Made) -> None:
        """Make what is wanted and not there.

        Raises:
            JobError: hard links cannot be made there.
            OSError: the disk refuses.
        """
        for path in wanted.files:
            if not self._enter(os.path.dirname(path), make=True):
                continue
            if self._interrupted:
                _unlink(_beside(self._place(path)))
            found, maker = self._look(path, [wanted, *self._earlier])
            if maker is wanted:
                self.n_kept += 1
            elif found is None or maker is not None:
                _make_file(wanted.materialise, wanted.source(path), self._place(path), exists=found is not None)
                self.n_made += 1
            else:
                self.not_ours.add(path)

    def remaining(self, wanted: Made) -> list[Made]:
        """What was made and is there now: the next call's `earlier`."""
        now = replace(wanted, files={path: of for path, of in wanted.files.items() if path not in self.not_ours})
        held = [
            replace(of, files={path: of.files[path] for path in self._held & of.files.keys()}) for of in self._earlier
        ]
        return [made for made in (now, *held) if made.files]

    def _place(self, path: str) -> str:
        return os.path.join(self._root, path)

    def _look(self, path: str, makers: Iterable[Made]) -> tuple[os.stat_result | None, Made | None]:
        """What lies at a path, and the first that made it so."""
        place = self._place(path)
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            return None, None
        return found, next((made for made in makers if made.holds(path, place, found)), None)

    def _enter(self, folder: str, *, make: bool) -> bool:
        """Tell whether a path is a folder, and nowhere on the way a link to one, which could lead anywhere."""
        if folder in self._is_folder:
            return self._is_folder[folder]
        if not self._enter(os.path.dirname(folder), make=make):
            return False
        place = self._place(folder)
        try:
            known = stat.S_ISDIR(os.lstat(place).st_mode)
        except FileNotFoundError:
            if not make:
                return False
            os.mkdir(place)
            known = True
        if not known:
            self.not_ours.add(folder)
        self._is_folder[folder] = known
        return known

    def _remove_empty(self, folders: set[str]) -> None:
        """Remove folders that hold nothing, and those above them that held only these."""
        for folder in sorted(folders, reverse=True):  # the deeper ones first
            while folder:
                try:
                    os.rmdir(self._place(folder))
                except FileNotFoundError:
                    pass
                except OSError:
                    break
                self._is_folder.pop(folder, None)
                folder = os.path.dirname(folder)


def survey(sources: Mapping[str, str], materialise: str, input_dir: Path) -> tuple[Made, dict[str, str]]:
    """Look at the recordings.

    Args:
        sources: relative path of each recording by its path below the output folder.
        materialise: `symlink`, `hardlink`, `copy` or `none`.
        input_dir: their folder.

    Returns:
        What can be made, and, likewise by path, the recordings that are not there.
    """
    # Not resolved: a folder that is mounted elsewhere tomorrow keeps its name.
    made, missing = Made(materialise, os.path.abspath(input_dir), {}), {}
    for path, source in sources.items():
        try:
            found = os.stat(os.path.join(made.input_dir, source))
        except OSError:
            missing[path] = source
        else:
            made.files[path] = Recording(source, found.st_ino, found.st_size, found.st_mtime_ns)
    return made, missing


def _make_file(materialise: str, source: str, place: str, *, exists: bool) -> None:
    """Make a link or a copy that is there as a whole or not at all, if need be in the place of an earlier one."""
    if materialise == "symlink" and not exists:
        os.symlink(source, place)
        return
    beside = _beside(place)
    _unlink(beside)
    try:
        if materialise == "symlink":
            os.symlink(source, beside)
        elif materialise == "hardlink":
            os.link(source, beside)
        else:
            shutil.copy2(source, beside)
        os.replace(beside, place)
    except OSError as error:
        _unlink(beside)
        if materialise == "hardlink" and error.errno in _NO_HARDLINK:
            raise JobError(
                f"{place}: no hard link to {source} can be made ({error.strerror}); set materialise to symlink or copy"
            ) from error
        raise


def _beside(place: str) -> str:
    """Where a file is made before it comes to its place: always the same, so that a killed call leaves one at most."""
    folder, name = os.path.split(place)
    return os.path.join(folder, f"{TEMPORARY_PREFIX}{blake2b(os.fsencode(name), digest_size=8).hexdigest()}")


def _unlink(place: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(place)
