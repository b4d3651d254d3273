"""Files that were costly to make, kept until they are too many. They may be removed at any time."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.shared.atomic_files import TEMPORARY_PREFIX

_LEFT_BEHIND_S = 3600.0
_LOG = logging.getLogger(__name__)


class KeptFiles:
    """A folder of files by what they are made of.

    Args:
        folder: where they lie.
        suffix: of their names, such as ".jpg".
        most_bytes: when they are more, those made first go.
    """

    def __init__(self, folder: Path, suffix: str, *, most_bytes: int) -> None:
        self._folder, self._suffix, self._most_bytes = folder, suffix, most_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None  # not counted yet

    def get(self, of: tuple[object, ...], make: Callable[[Path], None]) -> Path:
        """The file of something.

        Args:
            of: all that its bytes depend on.
            make: writes the file to a path that nobody else sees.

        Raises:
            OSError: the folder cannot be written, or the disk is full; nothing is left there.
        """
        key = blake2b(repr(of).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        kept = self._folder / key[:2] / f"{key}{self._suffix}"
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=self._folder, ignore_cleanup_errors=True) as folder:
                made = Path(folder, f"made{self._suffix}")
                make(made)
                n_bytes = made.stat().st_size
                os.replace(made, kept)  # a reader sees it whole or not at all; after a power cut it is made again
            self._note(n_bytes)
        return kept

    def _note(self, n_bytes: int) -> None:
        with self._lock:
            if self._bytes is None:
                self._remove_left_behind()
                self._bytes = sum(size for _, size, _ in self._files())
            else:
                self._bytes += n_bytes
            if self._bytes > self._most_bytes:
                self._bytes = self._shrink(self._most_bytes * 3 // 4)

    def _files(self) -> list[tuple[int, int, Path]]:
        """Time, size and path of all files, those made first at the beginning."""
        found = []
        # Not "*/": folders of what is in hand come and go, and a glob into one that went raises.
        for file in self._folder.glob(f"[0-9a-f][0-9a-f]/*{self._suffix}"):
            with suppress(FileNotFoundError):
                status = file.stat()
                found.append((status.st_mtime_ns, status.st_size, file))
        return sorted(found)

    def _shrink(self, n_bytes: int) -> int:
        """Remove files until `n_bytes` are left; the bytes that are."""
        files = self._files()
        total = sum(size for _, size, _ in files)
        for _, size, file in files[:-1]:  # the newest is about to be read
            if total <= n_bytes:
                break
            file.unlink(missing_ok=True)
            total -= size
        _LOG.info("%s: removed the oldest files, %.0f MB are kept", self._folder, total / 1e6)
        return total

    def _remove_left_behind(self) -> None:
        """Remove what a server that was killed had in hand."""
        for folder in self._folder.glob(f"{TEMPORARY_PREFIX}*"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _LEFT_BEHIND_S:
                    shutil.rmtree(folder)
