"""What is known of a video once all of it was decoded: how many frames it really has, and when they are shown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from scripts.shared.fingerprints import digest_file
from scripts.shared.sample_task import MadeSample, SampleTask, make_files
from scripts.shared.video.exact import decode_exact
from scripts.shared.video.scale import shown_size
from scripts.shared.video.source import VideoFile

# By how much two frames may lie nearer or further apart than on the mean: what rounding to a container's clock shifts.
_UNEVEN, _CLOCK_TICKS = 0.1, 2


@dataclass(frozen=True)
class VideoFacts:
    """A video as it decodes.

    Attributes:
        source: its path as the plan names it, relative to the folder of the videos.
        n_frames: frames that the decoder delivers, never what the container claims.
        fps: mean frame rate; 0 where the file gives its frames no times.
        width: of the first frame in pixels, as shown.
        height: likewise.
        duration_s: number of frames times their mean distance, 0 where the file gives none.
        codec: such as "h264".
        variable_fps: whether some frame is shown for a time of its own.
        size: of the file in bytes.
        digest: of its content: another video in its place is another one to what was made of it.
    """

    source: str
    n_frames: int
    fps: float
    width: int
    height: int
    duration_s: float
    codec: str
    variable_fps: bool
    size: int
    digest: str


def read_facts(task: SampleTask) -> MadeSample:
    """Decode a video and write its facts to the task's folder; see `make_files`. The ledger keeps them too.

    Raises:
        SampleError: as `decode_video`; `source_changed`.
        JobError: the file cannot be written.
    """

    def make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
        facts = asdict(decode_video(task.source, source=task.entry["source"]))
        (name,) = task.entry["files"]
        return {name: json.dumps(facts, indent=2, sort_keys=True).encode() + b"\n"}, facts

    return make_files(task, make)


def decode_video(path: Path, *, source: str) -> VideoFacts:
    """Decode every frame of a video with the exact decoder, which refuses damage, and keep no pixel.

    Args:
        path: the file.
        source: what its facts call it.

    Raises:
        SampleError: as `read_frames`.
    """
    shown = _ShownSize()
    with VideoFile(path) as video:
        # One pixel a frame: some videos of UCF-Crime have a million frames.
        decoded = decode_exact(video, _all_frames, shown, height=1, width=1)
        size = video.size
    picture = decoded.picture
    duration_s = picture.duration_s
    return VideoFacts(
        source=source,
        n_frames=picture.n_source_frames,
        fps=round(picture.n_source_frames / duration_s, 6) if duration_s > 0 else 0.0,
        width=shown.width,
        height=shown.height,
        duration_s=round(duration_s, 6),
        codec=decoded.codec,
        variable_fps=_is_variable(picture.pts),
        size=size,
        digest=digest_file(path),
    )


class _ShownSize:
    """Stands in for a scaler: looks at a frame's size and scales nothing."""

    def __init__(self) -> None:
        self.width, self.height = 0, 0

    def __call__(self, frame: VideoFrame, *, height: int, width: int) -> NDArray[np.uint8]:
        if not self.width:
            self.width, self.height = shown_size(frame)
        return np.zeros((height, width, 3), np.uint8)


def _all_frames(n_frames: int) -> NDArray[np.int64]:
    return np.arange(n_frames, dtype=np.int64)


def _is_variable(pts: Sequence[int]) -> bool:
    """Whether two neighbouring frames lie further apart or nearer than the clock of the file explains."""
    steps = np.diff(np.asarray(pts, np.int64))
    if len(steps) < 2:
        return False
    mean = steps.mean()
    return bool(np.abs(steps - mean).max() > max(_UNEVEN * mean, _CLOCK_TICKS))
