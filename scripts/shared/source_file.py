"""Opening a media file so that nothing but that one file is ever read.

FFmpeg follows playlists, concat scripts and session descriptions to other files and hosts, and guesses by
file name. Here it sees the bytes of one regular file and neither name nor path, only formats that hold
their own content are tried, and no protocol may open anything else.
"""

import errno
import gc
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import av
import av.error
import av.logging
from av.container import InputContainer

from scripts.shared.errors import SampleError

# FFmpeg's complaints about a bad file would fill the job's log; the error that is raised says what matters.
av.logging.set_libav_level(av.logging.PANIC)

_READ_SIZE = 1 << 18
_PLAYLISTS = {
    b"#EXTM3U": "an HLS playlist",
    b"ffconcat": "an FFmpeg concat script",
    b"v=0": "a session description (SDP)",
    b"<MPD": "a DASH manifest",
    b"[playlist]": "a playlist",
}


class _Bytes:
    """One open file as FFmpeg's input. Several readers may share the descriptor; each has its own place."""

    def __init__(self, fd: int, size: int) -> None:
        self._fd, self._size, self._at = fd, size, 0

    def read(self, n_bytes: int) -> bytes:
        data = os.pread(self._fd, n_bytes, self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at


class SourceFile:
    """A regular file, open; closes with its `with` block. Subclasses say what it should hold.

    Attributes:
        noun: what the file should be.
        not_one: class of the failure where it holds something else.
        formats: FFmpeg's names of the formats that are tried.

    Args:
        path: the file. Folders, FIFOs, devices and sockets are refused without waiting on them.

    Raises:
        SampleError: `not_found`, `not_a_file`, `unreadable`, `empty_file`.
    """

    noun: ClassVar[str]
    not_one: ClassVar[str]
    formats: ClassVar[str]

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Without O_NONBLOCK, opening a FIFO waits for a writer for ever.
            self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SampleError("not_found", f"{path.name}: no such file") from error
        except PermissionError as error:
            raise SampleError("unreadable", f"{path.name}: no permission to read it") from error
        except ValueError as error:
            raise SampleError("not_found", f"{path!r}: a path cannot hold a NUL byte") from error
        except OSError as error:
            # Opening a socket, or a device without a driver, fails with ENXIO.
            kind = "not_a_file" if error.errno == errno.ENXIO else "unreadable"
            raise SampleError(kind, f"{path.name}: {error.strerror}") from error
        status = os.fstat(self.fd)
        self.size = status.st_size
        if not stat.S_ISREG(status.st_mode) or not self.size:
            self.close()
            if stat.S_ISREG(status.st_mode):
                raise SampleError("empty_file", f"{path.name}: the file has no content")
            raise SampleError("not_a_file", f"{path.name}: {_kind_of_file(status.st_mode)}, not a regular file")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; containers opened from it cannot read any more."""
        os.close(self.fd)
        # PyAV's containers and streams refer to each other, so that decoders, with some 40 MB of frames at
        # 1080p, would wait for a full collection; those of this file are young.
        gc.collect(1)

    def read_at(self, first: int, count: int) -> bytes:
        """Up to `count` bytes from byte `first` on."""
        return os.pread(self.fd, count, first) if count > 0 else b""

    def cut_off(self) -> str | None:
        """What is missing at the end of the file, or None where nothing is or its container cannot tell."""
        raise NotImplementedError

    def open_container(self, **options: str) -> InputContainer:
        """A fresh demuxer of the file, with options of FFmpeg's for its format.

        Raises:
            SampleError: the class `not_one`, `truncated`, `unreadable`.
        """
        with self.sample_errors(self.not_one, f"cannot be opened as a {self.noun}"):
            return av.open(
                _Bytes(self.fd, self.size),
                mode="r",
                metadata_errors="replace",
                buffer_size=_READ_SIZE,
                container_options={"format_whitelist": self.formats, "protocol_whitelist": "none"} | options,
            )

    @contextmanager
    def sample_errors(self, kind: str, what: str) -> Iterator[None]:
        """Turn what FFmpeg and the file system raise into a failed sample of class `kind`."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            if not isinstance(error, av.error.FFmpegError):  # from reading; FFmpeg's own look alike
                raise SampleError("unreadable", f"{self.path.name}: {error.strerror}") from error
            if missing := self.cut_off():
                raise SampleError("truncated", f"{self.path.name}: {missing}; copy or download it again") from error
            head = self.read_at(0, 1024).lstrip(b"\xef\xbb\xbf \r\n\t")
            for start, name in _PLAYLISTS.items():
                if head.startswith(start) or (start == b"<MPD" and start in head):
                    text = f"{self.path.name}: {name}; name the {self.noun} itself"
                    raise SampleError(self.not_one, text) from error
            reason = getattr(error, "strerror", None) or str(error)
            raise SampleError(kind, f"{self.path.name}: {what} ({reason})") from error


def _kind_of_file(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
