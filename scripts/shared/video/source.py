"""Opening a video file so that nothing but that one file is ever read.

FFmpeg follows playlists, concat scripts and session descriptions to other files and hosts, and guesses by
file name. Here it sees the bytes of one regular file and neither name nor path, only formats that hold
their own pictures are tried, and no protocol may open anything else.
"""

import errno
import gc
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import av
import av.error
import av.logging
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from scripts.shared.errors import SampleError
from scripts.shared.video.container_end import cut_off

# FFmpeg's complaints about a bad file would fill the job's log; the error that is raised says what matters.
av.logging.set_libav_level(av.logging.PANIC)

FORMATS = (
    "mov,mp4,matroska,webm,mpegts,flv,live_flv,avi,asf,ogg,mpeg,mpegvideo,m4v,h264,hevc,vvc,ivf,obu,gif,apng,"
    "nut,mxf,rm,wtv,dv,yuv4mpegpipe,mjpeg,"
    "aac,ac3,aiff,amr,ape,caf,eac3,flac,mp3,opus,wav,w64,wv"  # sound alone: to say so
)
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


class VideoFile:
    """A regular file, open; closes with its `with` block.

    Args:
        path: the file. Folders, FIFOs, devices and sockets are refused without waiting on them.

    Raises:
        SampleError: `not_found`, `not_a_file`, `unreadable`, `empty_file`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Without O_NONBLOCK, opening a FIFO waits for a writer for ever.
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
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
        status = os.fstat(self._fd)
        self.size = status.st_size
        if not stat.S_ISREG(status.st_mode) or not self.size:
            self.close()
            if stat.S_ISREG(status.st_mode):
                raise SampleError("empty_file", f"{path.name}: the file has no content")
            raise SampleError("not_a_file", f"{path.name}: {_kind_of_file(status.st_mode)}, not a regular file")

    def __enter__(self) -> "VideoFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; containers opened from it cannot read any more."""
        os.close(self._fd)
        # PyAV's containers and streams refer to each other, so that decoders, with some 40 MB of frames at
        # 1080p, would wait for a full collection; those of this file are young.
        gc.collect(1)

    def read_at(self, first: int, count: int) -> bytes:
        """Up to `count` bytes from byte `first` on."""
        return os.pread(self._fd, count, first) if count > 0 else b""

    @contextmanager
    def open_stream(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """A fresh demuxer of the file and its video stream (never a cover picture), one decoding thread.

        Raises:
            SampleError: `not_a_video`, `truncated`, `no_video_stream`, `unsupported`.
        """
        with self.sample_errors("not_a_video", "cannot be opened as a video"):
            container = av.open(
                _Bytes(self._fd, self.size),
                mode="r",
                metadata_errors="replace",
                buffer_size=_READ_SIZE,
                container_options={"format_whitelist": FORMATS, "protocol_whitelist": "none"},
            )
        with container:
            stream = self._video_stream(container)
            stream.codec_context.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream

    @contextmanager
    def sample_errors(self, kind: str, what: str) -> Iterator[None]:
        """Turn what FFmpeg and the file system raise into a failed sample of class `kind`."""
        try:
            yield
        except (av.error.FFmpegError, OSError) as error:
            if not isinstance(error, av.error.FFmpegError):  # from reading; FFmpeg's own look alike
                raise SampleError("unreadable", f"{self.path.name}: {error.strerror}") from error
            if missing := cut_off(self.read_at, self.size):
                raise SampleError("truncated", f"{self.path.name}: {missing}; copy or download it again") from error
            head = self.read_at(0, 1024).lstrip(b"\xef\xbb\xbf \r\n\t")
            for start, name in _PLAYLISTS.items():
                if head.startswith(start) or (start == b"<MPD" and start in head):
                    raise SampleError("not_a_video", f"{self.path.name}: {name}; name the video itself") from error
            reason = getattr(error, "strerror", None) or str(error)
            raise SampleError(kind, f"{self.path.name}: {what} ({reason})") from error

    def _video_stream(self, container: InputContainer) -> VideoStream:
        videos = container.streams.video
        real = [stream for stream in videos if not stream.disposition & Disposition.attached_pic]
        if not real:
            found = "only a cover picture" if videos else "no video stream"
            raise SampleError("no_video_stream", f"{self.path.name}: {found} in this {container.format.name} file")
        best = container.streams.best("video")
        stream = best if isinstance(best, VideoStream) and best in real else real[0]
        if stream.codec_context is None:
            raise SampleError("unsupported", f"{self.path.name}: no decoder for its video stream")
        return stream


def _kind_of_file(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")
