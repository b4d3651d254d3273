"""The picture of one pose: 3D axes, the skeleton in its chains' colours, the caption above."""

import numpy as np
from numpy.typing import NDArray

from scripts.pose.figures.drawing import draw_skeleton
from scripts.pose.figures.png import png_bytes
from scripts.pose.figures.scene import THREE_QUARTER, Look, in_metres, room_of, scene_of
from scripts.pose.figures.writing import title_of, written
from scripts.pose.skeleton import Skeleton

SIZE, DPI = 1200, 150
TITLE_HEIGHT, TITLE_POINTS = 90, 14
_LOOK = Look(width=SIZE, height=SIZE, top=TITLE_HEIGHT, dpi=DPI, numbered=True, legend=True)


def pose_png(joints: NDArray[np.floating], skeleton: Skeleton, title: str) -> bytes:
    """A PNG of 1200 x 1200 pixels at 150 dpi; equal poses and titles give equal bytes in any process.

    Args:
        joints: (J, 3) in the skeleton's unit, y up.
        skeleton: its bones.
        title: the caption; of 50 characters and more the first 47 and three dots are shown.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    metres = in_metres(joints, skeleton)
    scene = scene_of(room_of(metres), THREE_QUARTER, _LOOK)
    picture = scene.background.copy()
    picture[:TITLE_HEIGHT] = written(title_of(title), width=SIZE, height=TITLE_HEIGHT, dpi=DPI, points=TITLE_POINTS)
    draw_skeleton(picture, scene, metres, skeleton, bone_width=9)
    return png_bytes(picture, dpi=DPI)
