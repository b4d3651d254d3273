"""The files of a pose: `.npy` and `.json`, their bytes and what must hold of them."""

import io
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.pose.skeleton import SKELETONS, Skeleton
from scripts.shared.errors import PolymillError

_UNIT_UNTOLD = SKELETONS["t2m"].unit  # a file without `unit` is in metres, as other programs write it
_LARGEST = float(np.finfo(np.float32).max)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class PoseFileError(PolymillError):
    """A file does not hold what a pose's file holds."""


@dataclass(frozen=True)
class Pose:
    """What the `.json` of a pose tells.

    Attributes:
        caption: it was made from.
        frame_index: of the frame in its motion, from 0.
        joints: (J, 3) float32, Y up.
    """

    caption: str
    frame_index: int
    joints: NDArray[np.float32]


def array_npy(array: NDArray[np.float32]) -> bytes:
    """An array as an `.npy` file of float32 in C order; equal arrays give equal bytes.

    Args:
        array: any shape: (J, 3) for a pose, (D,) for a text vector, (T, J, 3) or (T, F) for a motion.
    """
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array, np.float32), allow_pickle=False)
    return content.getvalue()


def read_array(data: bytes, where: str) -> NDArray[np.float32]:
    """Read an `.npy` file of finite float32; what else one may hold is never loaded.

    Args:
        data: the whole file.
        where: what messages call it.

    Raises:
        PoseFileError: it is cut off, of another type, or holds NaN or infinity.
    """
    content = io.BytesIO(data)
    try:
        shape, fortran, dtype = _HEADERS[np.lib.format.read_magic(content)](content)
    except (ValueError, KeyError, EOFError, RecursionError, MemoryError) as error:
        raise PoseFileError(f"{where}: no .npy file; make it again") from error
    if dtype != np.dtype("<f4") or fortran:
        raise PoseFileError(f"{where}: holds {dtype}{' in Fortran order' * fortran}, not float32; make it again")
    body = data[content.tell() :]
    if len(body) != 4 * math.prod(shape):
        raise PoseFileError(f"{where}: {len(body):,} bytes for an array of {shape}; it is cut off, make it again")
    array = np.frombuffer(body, np.float32).reshape(shape).copy()
    if not np.isfinite(array).all():
        raise PoseFileError(f"{where}: holds NaN or infinity; make it again")
    return array


def read_pose_npy(data: bytes, skeleton: Skeleton, where: str) -> NDArray[np.float32]:
    """Read the `.npy` of a pose.

    Args:
        data: the whole file.
        skeleton: whose joints it has.
        where: what messages call it.

    Returns:
        (J, 3) float32.

    Raises:
        PoseFileError: it is no such file, or of another skeleton.
    """
    joints = read_array(data, where)
    if joints.shape != (skeleton.n_joints, 3):
        raise PoseFileError(
            f"{where}: {joints.shape}, not ({skeleton.n_joints}, 3) as skeleton: {skeleton.name} has it; make it again"
        )
    return joints


def pose_json(joints: NDArray[np.float32], caption: str, frame_index: int, skeleton: Skeleton) -> bytes:
    """A pose as its `.json`: UTF-8, two blanks a level, each coordinate as the float64 equal to its float32.

    Args:
        joints: (J, 3) float32.
        caption: it was made from; without lone surrogates.
        frame_index: of the frame in its motion, from 0.
        skeleton: whose joints these are; where its unit is not the metre, `unit` names it.
    """
    names = skeleton.joint_names
    told: dict[str, Any] = {
        "caption": caption,
        "frame_index": frame_index,
        "num_joints": skeleton.n_joints,
        "joints": np.asarray(joints, np.float32).tolist(),
        "joint_names": None if names is None else list(names),
    }
    if skeleton.unit != _UNIT_UNTOLD:
        told["unit"] = skeleton.unit
    return json.dumps(told, indent=2, ensure_ascii=False).encode()


def read_pose_json(data: bytes, skeleton: Skeleton, where: str) -> Pose:
    """Read the `.json` of a pose.

    Args:
        data: the whole file.
        skeleton: whose joints it has.
        where: what messages call it.

    Raises:
        PoseFileError: it is no such file, or of another skeleton; names the field.
    """
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PoseFileError(f"{where}: no JSON ({error}); make it again") from error
    if not isinstance(told, dict):
        raise PoseFileError(f"{where}: holds no object; make it again")
    names = skeleton.joint_names
    wanted = {
        "num_joints": skeleton.n_joints,
        "joint_names": None if names is None else list(names),
        "unit": skeleton.unit,
    }
    for name, value in wanted.items():
        found = told.get(name, _UNIT_UNTOLD if name == "unit" else "absent")
        if found != value:
            raise PoseFileError(f"{where}: '{name}' is {found!r:.60}, not that of skeleton: {skeleton.name}")
    caption, frame_index = told.get("caption"), told.get("frame_index")
    if not isinstance(caption, str):
        raise PoseFileError(f"{where}: 'caption' is {caption!r:.60}, not a text")
    if type(frame_index) is not int or frame_index < 0:
        raise PoseFileError(f"{where}: 'frame_index' is {frame_index!r:.60}, not a number from 0")
    return Pose(caption, frame_index, _joints(told.get("joints"), skeleton, where))


def _joints(told: Any, skeleton: Skeleton, where: str) -> NDArray[np.float32]:
    right = (
        isinstance(told, list)
        and len(told) == skeleton.n_joints
        and all(isinstance(point, list) and len(point) == 3 for point in told)
        and all(type(number) is float and abs(number) <= _LARGEST for point in told for number in point)
    )
    if not right:
        raise PoseFileError(f"{where}: 'joints' is not a list of {skeleton.n_joints} points of three finite numbers")
    return np.array(told, np.float32)
