"""One clip, cut out of a whole video. Runs in a worker process."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.clip4mc.stage import CLIP_FILE
from scripts.shared.disk_errors import disk_errors
from scripts.shared.errors import JobError
from scripts.shared.sample_task import MadeSample, SampleTask, make_files
from scripts.shared.video.cut import cut_interval


def make_clip(task: SampleTask) -> MadeSample:
    """Cut a clip into the task's folder; see `make_files`."""
    return make_files(task, clip_contents)


def clip_contents(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The clip, and what the ledger keeps of it.

    Args:
        task: its entry holds the interval [begin, end] in seconds.

    Raises:
        SampleError: as `cut_interval`.
        JobError: there is no ffmpeg, or the disk is full.
    """
    begin, end = task.entry["interval"]
    place = task.folder.parent
    with disk_errors(place, JobError):
        place.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=place) as folder:
            cut = cut_interval(task.source, (begin, end), Path(folder, CLIP_FILE))
            content = Path(folder, CLIP_FILE).read_bytes()
    return {CLIP_FILE: content}, {"copied": cut.copied, **cut.frames.source_facts()}
