"""Checkpoints that a training goes on from: whole or absent, and of this training alone. Imports torch.

A file of `torch.save`, in whatever layout its system has, with one key more: `polymill` holds whose it is, at which
step it was written, and whether it stays. Readers of that layout pass over it.
"""

import logging
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from scripts.shared import atomic_files
from scripts.shared.errors import ConfigError, JobError
from scripts.shared.torch_file import load_plain

MARK = "polymill"
_SUFFIX = ".pt"

log = logging.getLogger(__name__)


class Head(NamedTuple):
    """What a checkpoint says of itself.

    Attributes:
        identity: of the training that wrote it.
        step: steps taken before it was written.
        lasting: whether later ones let it stay.
    """

    identity: str
    step: int
    lasting: bool


class Checkpoint(NamedTuple):
    """A checkpoint that was read.

    Attributes:
        path: its file.
        step: steps taken before it was written.
        value: what was saved, tensors on the CPU.
    """

    path: Path
    step: int
    value: dict[str, Any]


class CheckpointFolder:
    """The checkpoints of one training. Only one process uses it; the others are told a path (`read_checkpoint`).

    Args:
        folder: where they lie; made when the first is saved.
        identity: digest of all that decides what the training computes (settings, data, what it starts from).
            Another identity is another training: its checkpoints are never gone on from.
        keep: how many of those that do not last are kept. Two, so that one is left where the disk spoils the newest.
        label: the run in words, for the log.
    """

    def __init__(self, folder: Path, identity: str, *, keep: int = 2, label: str = "") -> None:
        self.folder, self.identity, self.keep = folder, identity, keep
        self._label = label or folder.parent.name
        self._steps: dict[str, int] = {}  # of those that do not last, by file name

    def save(self, name: str, value: Mapping[str, Any], *, step: int, lasting: bool = False) -> Path:
        """Write a checkpoint, in place of one of the same name, then remove the oldest that need not be kept.

        Args:
            name: of the file, ending in `.pt`.
            value: tensors and plain values.
            step: steps taken so far.
            lasting: never remove it.

        Raises:
            JobError: it could not be written; the checkpoints before it are as they were.
        """
        if not name.endswith(_SUFFIX) or Path(name).name != name:
            raise ValueError(f"{name!r} is no file name that ends in {_SUFFIX}")
        path = self.folder / name
        head = Head(self.identity, step, lasting)
        try:
            with atomic_files.open_new(path) as file:
                torch.save({**value, MARK: head._asdict()}, file)
            atomic_files.sync_folder(self.folder)
        except (OSError, RuntimeError) as error:  # PyTorch has a RuntimeError for a full disk
            raise JobError(
                f"[{self._label}] {path}: not written ({_first_line(error)}); make room or mend the disk and run "
                "again: the training goes on from the checkpoint before"
            ) from error
        self._steps.pop(name, None)
        if not lasting:
            self._steps[name] = step
            self._remove_old()
        return path

    def newest(self) -> Checkpoint | None:
        """The whole checkpoint of this training with the most steps; None where there is none.

        A damaged one is said and passed over. Where the folder holds checkpoints of another training, and none that is
        this one's, it is moved aside: nobody's work is written over.

        Raises:
            JobError: the folder cannot be read or moved.
        """
        try:
            heads = self._heads()
            for name, head in sorted(heads.items(), key=lambda item: (-item[1].step, item[0])):
                if head.identity != self.identity:
                    continue
                if found := self._read_whole(self.folder / name):
                    self._steps = {
                        other: seen.step for other, seen in heads.items()
                        if seen.identity == self.identity and not seen.lasting and seen.step <= found.step
                    }  # fmt: skip
                    return found
            if any(head.identity != self.identity for head in heads.values()):
                self._move_aside(next(head for head in heads.values() if head.identity != self.identity))
        except OSError as error:
            raise JobError(f"[{self._label}] {error.filename or self.folder}: {error.strerror}") from error
        return None

    def begin_anew(self) -> None:
        """Move the folder's checkpoints aside, whosever they are.

        Raises:
            JobError: the folder cannot be read or moved.
        """
        try:
            if heads := self._heads():
                self._set_aside(max(heads.values(), key=lambda head: head.step))
                log.info("[%s] begins anew, as it was told", self._label)
        except OSError as error:
            raise JobError(f"[{self._label}] {error.filename or self.folder}: {error.strerror}") from error

    def _heads(self) -> dict[str, Head]:
        if not self.folder.is_dir():
            return {}
        atomic_files.remove_leftovers(atomic_files.leftovers(self.folder, deep=False))
        heads = {}
        for path in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                heads[path.name] = read_head(path)
            except ConfigError as error:
                log.warning("[%s] passed over: %s", self._label, error)
        return heads

    def _read_whole(self, path: Path) -> Checkpoint | None:
        try:
            return read_checkpoint(path)
        except ConfigError as error:
            log.warning("[%s] passed over, the one before it is taken: %s", self._label, error)
            return None

    def _move_aside(self, head: Head) -> None:
        aside = self._set_aside(head)
        log.warning(
            "[%s] %s holds checkpoints of a training with other settings, data or start: moved to %s, and this one "
            "begins anew", self._label, self.folder, aside,
        )  # fmt: skip

    def _set_aside(self, head: Head) -> Path:
        base = self.folder.with_name(f"{self.folder.name}-{head.identity[:8] or 'unknown'}")
        aside, number = base, 1
        while aside.exists():
            number += 1
            aside = base.with_name(f"{base.name}-{number}")
        self.folder.rename(aside)
        return aside

    def _remove_old(self) -> None:
        for name in sorted(self._steps, key=lambda name: self._steps[name])[: -self.keep]:
            del self._steps[name]
            (self.folder / name).unlink(missing_ok=True)


def read_head(path: Path) -> Head:
    """What a checkpoint says of itself; reads a few kB of it. One that says nothing has no identity, and step 0.

    Raises:
        ConfigError: it is damaged.
    """
    value = load_plain(path, mmap=True)
    said = value.get(MARK, {}) if isinstance(value, dict) else {}
    return Head(str(said.get("identity", "")), int(said.get("step", 0)), bool(said.get("lasting", True)))


def newest_of(path: Path) -> Checkpoint:
    """The checkpoint that somebody named: a file, or the one with the most steps of a folder; of whatever training.

    Raises:
        ConfigError: there is none, or it is damaged.
    """
    files = sorted(path.glob(f"*{_SUFFIX}")) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise ConfigError(f"{path}: no checkpoint there; name a file *{_SUFFIX} or a folder of such files")
    return read_checkpoint(max(files, key=lambda file: read_head(file).step))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a whole checkpoint, every byte of it compared with its checksum.

    Raises:
        ConfigError: it is damaged, or was not written by a training of ours.
    """
    check_whole(path)
    value = load_plain(path)
    if not isinstance(value, dict) or MARK not in value:
        raise ConfigError(f"{path}: no checkpoint that a training here wrote: it has no {MARK!r}")
    head = value.pop(MARK)
    return Checkpoint(path, head["step"], value)


def check_whole(path: Path) -> None:
    """Compare every byte of a file of `torch.save` with its checksums: PyTorch itself does not when it loads.

    Raises:
        ConfigError: it is damaged or cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            spoilt = archive.testzip()
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, pickle.UnpicklingError) as error:
        raise ConfigError(f"{path}: damaged ({_first_line(error)})") from error
    if spoilt is not None:
        raise ConfigError(f"{path}: damaged ({spoilt} in it does not hold what was written)")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
