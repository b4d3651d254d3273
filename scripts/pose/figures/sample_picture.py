"""One sample of stage `render`: a picture of each of a caption's poses."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.pose.figures.renderer import pose_png
from scripts.pose.pose_files import PoseFileError, read_pose_npy
from scripts.pose.skeleton import SKELETONS, Skeleton
from scripts.shared.errors import SampleError
from scripts.shared.sample_task import MadeSample, SampleTask, make_files


def make_picture(task: SampleTask) -> MadeSample:
    """Draw the pictures that a sample's entry names, each from the pose of its name beside the source.

    Args:
        task: its settings name the `skeleton`, its entry the `caption` and the `files`; its source is the first pose.

    Raises:
        SampleError: `not_found`, `unreadable` or `bad_pose`: a pose's file is not there, cannot be read, or holds no
            pose of that skeleton.
        JobError: the files cannot be written.
    """
    return make_files(task, _draw)


def _draw(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
    skeleton = SKELETONS[task.settings["skeleton"]]
    pictures = {}
    for name in task.entry["files"]:
        joints = _read(task.source.with_name(f"{Path(name).stem}.npy"), skeleton)
        pictures[name] = pose_png(joints, skeleton, task.entry["caption"])
    return pictures, {}


def _read(path: Path, skeleton: Skeleton) -> NDArray[np.float32]:
    try:
        return read_pose_npy(path.read_bytes(), skeleton, path.name)
    except FileNotFoundError as error:
        raise SampleError("not_found", f"{path.name}: no such file; run again: it is made first") from error
    except OSError as error:
        raise SampleError("unreadable", f"{path.name}: {error.strerror}") from error
    except PoseFileError as error:
        raise SampleError("bad_pose", str(error)) from error
