"""Opening a video file: that file alone, and of it the video stream."""

from collections.abc import Iterator
from contextlib import contextmanager

from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from scripts.shared.errors import SampleError
from scripts.shared.source_file import SourceFile
from scripts.shared.video.container_end import cut_off

FORMATS = (
    "mov,mp4,matroska,webm,mpegts,flv,live_flv,avi,asf,ogg,mpeg,mpegvideo,m4v,h264,hevc,vvc,ivf,obu,gif,apng,"
    "nut,mxf,rm,wtv,dv,yuv4mpegpipe,mjpeg,"
    "aac,ac3,aiff,amr,ape,caf,eac3,flac,mp3,opus,wav,w64,wv"  # sound alone: to say so
)


class VideoFile(SourceFile):
    """A video file, open; see `SourceFile`."""

    noun = "video"
    not_one = "not_a_video"
    formats = FORMATS

    def cut_off(self) -> str | None:
        """What is missing at the end of the file; see `container_end.cut_off`."""
        return cut_off(self.read_at, self.size)

    @contextmanager
    def open_stream(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """A fresh demuxer of the file and its video stream (never a cover picture), one decoding thread.

        Raises:
            SampleError: `not_a_video`, `truncated`, `no_video_stream`, `unsupported`.
        """
        with self.open_container() as container:
            stream = self._video_stream(container)
            stream.codec_context.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream

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
