"""Lock files that the kernel releases when their holder dies."""

import errno
import fcntl
import json
import os
import socket
from pathlib import Path
from typing import NamedTuple, TextIO

# What file systems without locks answer: some NFS and FUSE mounts.
_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class Holder(NamedTuple):
    """A process that took a lock."""

    host: str
    pid: int


class LockFile:
    """An exclusive lock on a file, held until `release` or the end of the process.

    Args:
        path: the lock file; it is made and stays behind.

    Attributes:
        supported: False where the file system has no locks: then every `acquire` succeeds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.supported = True
        self._file: TextIO | None = None

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock.

        Args:
            wait: wait for another holder to end; otherwise return at once.

        Returns:
            Whether the lock is held now.

        Raises:
            OSError: the lock file cannot be made.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+", encoding="utf-8")  # not inherited by child processes, so it ends with us
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS_HERE:
                file.close()
                raise
            self.supported = False
        file.seek(0)
        file.truncate()
        json.dump({"host": socket.gethostname(), "pid": os.getpid()}, file)
        file.flush()
        self._file = file
        return True

    def is_held(self) -> bool | None:
        """Whether somebody holds the lock, None where that cannot be told; writes nothing.

        To ask is to share the lock for an instant: one who tries to take it just then without waiting is refused.
        On a network file system a holder on another host may go unseen.
        """
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError:
            return None
        return False

    def last_holder(self) -> Holder | None:
        """Who holds the lock, or held it last; None where the file does not tell."""
        try:
            who = json.loads(self.path.read_text(encoding="utf-8"))
            return Holder(str(who["host"]), int(who["pid"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def holder(self) -> str:
        """Who holds the lock, in words: `pid 4711 on node7`."""
        who = self.last_holder()
        return f"pid {who.pid} on {who.host}" if who else "an unknown process"

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None
