"""Where the files of samples lie in a dataset's folder, and how they come and go there.

Most systems give each sample a folder of its own, named by its key. In others samples share folders, such as those of
a tree of recordings: there each file is named by its path below the dataset's folder, in the sample's entry and row.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from scripts.shared import atomic_files, layout
from scripts.shared.errors import JobError
from scripts.shared.ledger import Row


class Making(Protocol):
    """Appends the row that says that a sample's files are about to change."""

    def __call__(self, *, sync: bool = True, **fields: Any) -> None:
        """With `sync` it is on the disk when this returns; `fields` are further members."""


@dataclass(frozen=True)
class OwnFolders:
    """Samples with a folder each.

    Attributes:
        dataset_dir: the dataset's results folder.
        names: of the files in a sample's folder.
    """

    dataset_dir: Path
    names: tuple[str, ...]

    def making(self, unfinished: Path, key: str) -> Path:
        """Where an attempt makes a sample's files; see `SampleTask`."""
        return unfinished / key

    def put(self, key: str, row: Row | None, names: Iterable[str], folder: Path, making: Making) -> dict[str, int]:
        """Put a sample's complete files in their place.

        Args:
            key: the sample.
            row: its last row.
            names: of its files.
            folder: where they were made.
            making: called before anything on record changes.

        Returns:
            What its next row must tell of the place.
        """
        final = self.dataset_dir / key
        # Where an older row speaks of other files, it must never be the last: not even if the next one is lost.
        if final.exists() or row is not None:
            making()
        if final.exists():
            for name in names:
                os.replace(folder / name, final / name)
            folder.rmdir()
            # Old and new files may be of one size: the row must not be on the disk before they are.
            atomic_files.sync_folder(final)
        else:
            os.rename(folder, final)
        return {"folder_mtime_ns": os.stat(final).st_mtime_ns}

    def remove(self, key: str, _row: Row | None, _names: Iterable[str], making: Making) -> None:
        """Remove the files of a sample that failed, and its folder where nothing else is in it."""
        final = self.dataset_dir / key
        if final.is_dir():
            making()
            for name in self.names:
                (final / name).unlink(missing_ok=True)
            if not any(final.iterdir()):
                final.rmdir()


@dataclass(frozen=True)
class SharedFolders:
    """Samples whose files lie in folders that they share.

    Attributes:
        dataset_dir: the dataset's results folder.
    """

    dataset_dir: Path

    def making(self, unfinished: Path, _key: str) -> Path:
        """As of `OwnFolders`: one folder for all, since no two samples have a file in common."""
        return unfinished

    def put(self, _key: str, row: Row | None, names: Collection[str], folder: Path, making: Making) -> dict[str, int]:
        """As of `OwnFolders`; files of the last row that the sample has no more are removed.

        Raises:
            JobError: a file is where a folder must be, or a name is no path below the dataset's folder.
        """
        for name in names:
            if not is_path_inside(name):
                raise JobError(f"{self.dataset_dir}: {name!r:.80} cannot name a file of a sample there")
        older = _on_record(row)
        replaced = {(self.dataset_dir / name).parent for name in names if os.path.lexists(self.dataset_dir / name)}
        # Always, and all of them: after a kill the sample may be wanted under other names, or no more. To be flushed it
        # need not be where all that a power cut can take is new.
        making(files=sorted(older.union(names)), sync=bool(replaced) or row is not None)
        for name in names:
            _move(folder / name, self.dataset_dir / name)
        for parent in replaced:
            atomic_files.sync_folder(parent)  # for the same reason as there
        remove_files(self.dataset_dir, older.difference(names))
        return {}

    def remove(self, _key: str, row: Row | None, names: Iterable[str], making: Making) -> None:
        """Remove the files of a sample that failed: those of its last row, and those that it was to have.

        Folders stay: another job may be about to put a file there.
        """
        files = _on_record(row).union(names)
        if any(os.path.lexists(self.dataset_dir / name) for name in files):
            making(files=sorted(files))
            remove_files(self.dataset_dir, files)


def _on_record(row: Row | None) -> set[str]:
    """The files of a row, as paths below the dataset's folder."""
    return set() if row is None else {layout.sample_file(row, name) for name in row.get("files", ())}


def _move(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)  # nearly always the folder is there
    except (FileNotFoundError, NotADirectoryError):
        _make_folder(target.parent)
        os.replace(source, target)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        in_the_way = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        raise JobError(
            f"{in_the_way} is no folder, but files of samples belong below it; move it away and run again: what is "
            "finished is kept"
        ) from error


def is_path_inside(name: str) -> bool:
    """Whether a name is the path of a file below the folder that it is relative to, and not below a hidden one there.

    Nothing is written or removed by the word of a ledger before it was looked at like this.
    """
    return not name.startswith(".") and "\0" not in name and not {"", ".", ".."}.intersection(name.split("/"))


def remove_files(dataset_dir: Path, names: Iterable[str]) -> list[str]:
    """Remove files of samples; those that are gone already are no error.

    Returns:
        The names that were not followed: no path below the folder, one through a link, or that of a folder.
    """
    kept = []
    for name in names:
        if not is_path_inside(name) or _is_beyond_link(dataset_dir, name):
            kept.append(name)
            continue
        try:
            os.unlink(dataset_dir / name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except IsADirectoryError:
            kept.append(name)
    return kept


def remove_empty_folders(dataset_dir: Path, names: Iterable[str]) -> None:
    """Remove the folders around files that were removed, where nothing is in them any more."""
    folders = {folder for name in names if is_path_inside(name) for folder in _folders_around(name)}
    for folder in sorted(folders, key=len, reverse=True):
        path = dataset_dir / folder
        if path.is_dir() and not _is_beyond_link(dataset_dir, f"{folder}/name") and not any(path.iterdir()):
            path.rmdir()


def _folders_around(name: str) -> list[str]:
    return [str(folder) for folder in Path(name).parents][:-1]  # without "."


def _is_beyond_link(dataset_dir: Path, name: str) -> bool:
    return any((dataset_dir / folder).is_symlink() for folder in _folders_around(name))
