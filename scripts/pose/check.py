"""Whether finished text vectors, poses, pictures and the index of a list hold what they should: `pose_verify`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.pose.index_file import read_finished
from scripts.pose.pose_files import PoseFileError, read_array, read_pose_json, read_pose_npy
from scripts.pose.skeleton import SKELETONS, Skeleton
from scripts.shared.pickle_head import HEAD_BYTES

_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"

Check = Callable[[Mapping[str, bytes]], str]


def text_checker(_settings: Mapping[str, Any]) -> Check:
    """Make the check of one text vector.

    Returns:
        A function of a sample's files with their content. It says what is wrong with them, and nothing where they are
        right.
    """

    def check(files: Mapping[str, bytes]) -> str:
        for name, content in files.items():
            vector = read_array(content, name)
            if vector.ndim != 1 or not vector.size:
                return f"{name}: {vector.shape}, not one row of numbers"
        return ""

    return _telling(check)


def pose_checker(settings: Mapping[str, Any]) -> Check:
    """Make the check of the poses of one caption, and of their motions where these were kept.

    Args:
        settings: of the stage `generate`.

    Returns:
        As `text_checker`.
    """
    skeleton = SKELETONS[settings["skeleton"]]

    def check(files: Mapping[str, bytes]) -> str:
        poses = [name.removesuffix(".npy") for name in files if name.startswith("poses/") and name.endswith(".npy")]
        if not poses:
            return "no pose on record"
        return next(filter(None, (_wrong_pose(files, pose, skeleton) for pose in poses)), "")

    return _telling(check)


def picture_checker(_settings: Mapping[str, Any]) -> Check:
    """Make the check of the pictures of one caption.

    Returns:
        As `text_checker`. Of a large file, of which only the beginning is at hand, the size of the picture is checked.
    """

    def check(files: Mapping[str, bytes]) -> str:
        return next(filter(None, (_wrong_picture(name, content) for name, content in files.items())), "")

    return _telling(check)


def listed_poses(dataset_dir: Path) -> list[str]:
    """The names that a dataset's `index.csv` says are made.

    Raises:
        JobError: it cannot be read, or is no such file.
    """
    return [made.name for made in read_finished(dataset_dir / "index.csv")]


def _telling(check: Check) -> Check:
    """The check, saying what a file's reader raises."""

    def telling(files: Mapping[str, bytes]) -> str:
        try:
            return check(files) if files else "no file on record"
        except KeyError as error:
            return f"no {error.args[0]} on record"
        except PoseFileError as error:
            return str(error)

    return telling


def _wrong_pose(files: Mapping[str, bytes], pose: str, skeleton: Skeleton) -> str:
    """What is wrong with a pose, `pose` being its path without suffix."""
    joints = read_pose_npy(files[f"{pose}.npy"], skeleton, f"{pose}.npy")
    told = read_pose_json(files[f"{pose}.json"], skeleton, f"{pose}.json")
    if not _same_bits(told.joints, joints):
        return f"{pose}.json: its joints are not those of the .npy"
    motion = f"motions/{pose.removeprefix('poses/')}"
    if f"{motion}.npy" not in files:
        return ""
    moved = read_array(files[f"{motion}.npy"], f"{motion}.npy")
    features = read_array(files[f"{motion}_features.npy"], f"{motion}_features.npy")
    n_frames = len(moved) if moved.ndim else 0
    if moved.shape != (n_frames, skeleton.n_joints, 3) or features.shape != (n_frames, skeleton.n_features):
        return f"{motion}.npy: {moved.shape} with features {features.shape}, which is no motion of {skeleton.name}"
    if told.frame_index >= n_frames or not _same_bits(moved[told.frame_index], joints):
        return f"{motion}.npy: its frame {told.frame_index} is not the pose"
    return ""


def _same_bits(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return one.tobytes() == other.tobytes()


def _wrong_picture(name: str, content: bytes) -> str:
    import cv2  # here: only the job that verifies needs them

    from scripts.pose.figures.renderer import SIZE

    size = tuple(int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    if not content.startswith(_PNG):
        return f"{name}: no PNG"
    if size != (SIZE, SIZE):
        return f"{name}: {size[0]}x{size[1]} pixels, not {SIZE}x{SIZE}"
    if len(content) <= HEAD_BYTES:  # of a larger file: no picture of this size is that small
        return ""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return "" if picture is not None and picture.shape == (*size, 3) else f"{name}: the PNG is cut off or damaged"
