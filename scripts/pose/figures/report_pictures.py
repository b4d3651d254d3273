"""Pictures of finished poses: for the report, where the index names them, and for a verification."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.pose.figures.contact_sheet import choose_poses, contact_sheet_png
from scripts.pose.figures.views import motion_webp, turntable_webp, views_png
from scripts.pose.index_file import read_finished
from scripts.pose.pose_files import PoseFileError, read_array, read_pose_npy
from scripts.pose.skeleton import SKELETONS, Skeleton
from scripts.shared import atomic_files
from scripts.shared.errors import JobError

_PREVIEWS: dict[str, Callable[[NDArray[np.float32], Skeleton, str], bytes]] = {
    "views": views_png,
    "turntable": turntable_webp,
    "motion": motion_webp,
}


def finished_poses(index: Path) -> dict[str, str]:
    """The caption of each finished pose by the name of its files.

    Args:
        index: `index.csv` of a dataset.

    Raises:
        JobError: it cannot be read.
    """
    return {
        Path(file).stem: made.caption for made in read_finished(index) for file in made.files if file.endswith(".png")
    }


def write_contact_sheet(index: Path, path: Path, *, skeleton: str, seed: int, title: str) -> None:
    """Draw a dataset's contact sheet.

    Args:
        index: its `index.csv`; the poses lie beside it.
        path: of the picture.
        skeleton: theirs.
        seed: of the choice where there are many.
        title: of the sheet.

    Raises:
        JobError: the index or a pose cannot be read.
    """
    chosen = choose_poses(list(finished_poses(index)), seed=seed)
    poses = {name: _read(index.parent / "poses" / f"{name}.npy", SKELETONS[skeleton]) for name in chosen}
    atomic_files.write_bytes(path, contact_sheet_png(poses, SKELETONS[skeleton], title=title))


def draw_samples(
    dataset_dir: Path,
    keys: Sequence[str],
    out: Path,
    *,
    settings: Mapping[str, Any],
    means: Mapping[str, Any],
    title: str,
) -> dict[str, str]:
    """Draw the poses of some captions side by side, for a verification.

    Args:
        dataset_dir: the dataset's results folder.
        keys: names of the captions.
        out: the PNG file.
        settings: of the stage `render`.
        means: not needed.
        title: of the sheet.

    Returns:
        The captions whose pose could not be read, each with what is wrong.
    """
    del means
    skeleton = SKELETONS[settings["skeleton"]]
    poses, wrong = {}, {}
    for key in keys:
        try:
            poses[key] = _read(dataset_dir / "poses" / f"{key}.npy", skeleton)
        except JobError as error:
            wrong[key] = f"{error}"
    atomic_files.write_bytes(out, contact_sheet_png(poses, skeleton, title=title))
    return wrong


def write_preview(index: Path, path: Path, *, pose: str, what: str, skeleton: str) -> None:
    """Draw one preview of a pose.

    Args:
        index: `index.csv` of its dataset.
        path: of the picture.
        pose: name of the pose's files.
        what: "views", "turntable" or "motion".
        skeleton: its skeleton.

    Raises:
        JobError: the pose was not made, or cannot be read.
    """
    captions = finished_poses(index)
    if pose not in captions:
        raise JobError(f"{pose} has no pose to preview: failures.csv says why, or take it out of previews")
    folder = "motions" if what == "motion" else "poses"
    joints = _read(index.parent / folder / f"{pose}.npy", SKELETONS[skeleton], motion=what == "motion")
    try:
        picture = _PREVIEWS[what](joints, SKELETONS[skeleton], captions[pose])
    except ValueError as error:
        raise JobError(f"{index.parent / folder / pose}.npy: {error}; remove it and run again") from error
    atomic_files.write_bytes(path, picture)


def _read(path: Path, skeleton: Skeleton, *, motion: bool = False) -> NDArray[np.float32]:
    try:
        data = path.read_bytes()
        return read_array(data, path.name) if motion else read_pose_npy(data, skeleton, path.name)
    except (OSError, PoseFileError) as error:
        raise JobError(f"{path}: cannot be read: {error}; run again with --config verify=full") from error
