"""One pose from four sides, and pictures that move: a turntable of a pose, a preview of a whole motion."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scripts.pose.figures.drawing import draw_floor, draw_skeleton
from scripts.pose.figures.png import png_bytes
from scripts.pose.figures.renderer import DPI, SIZE, TITLE_HEIGHT, TITLE_POINTS
from scripts.pose.figures.scene import (
    FRONT,
    LEFT_SIDE,
    THREE_QUARTER,
    TOP,
    Look,
    Scene,
    View,
    in_metres,
    room_of,
    scene_of,
)
from scripts.pose.figures.writing import title_of, written
from scripts.pose.skeleton import Skeleton
from scripts.shared.figures.style import QUIET

_SIDES = {"front": FRONT, "from its left": LEFT_SIDE, "three-quarter": THREE_QUARTER, "from above": TOP}
_NAME = 36  # pixels of a side's name
_PANEL = Look(width=SIZE // 2, height=(SIZE - TITLE_HEIGHT) // 2, top=_NAME, dpi=DPI * 2 // 3, numbered=True)

_MOVING_SIZE, _MOVING_DPI, _MOVING_POINTS = 600, 100, 11
_MOVING_TITLE, _COUNTER = 44, 22  # pixels
_MOVING = Look(width=_MOVING_SIZE, height=_MOVING_SIZE, top=_MOVING_TITLE + _COUNTER, dpi=_MOVING_DPI, grid=False)
_TURN_DEGREES, _TURN_MS = 10, 100
_MOVING_BONE = 5


def views_png(joints: NDArray[np.floating], skeleton: Skeleton, title: str) -> bytes:
    """A pose from its front, its left, between the two, and above: a PNG of 1200 x 1200 pixels.

    Args:
        joints: (J, 3) in the skeleton's unit, y up.
        skeleton: its bones.
        title: the caption.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    metres = in_metres(joints, skeleton)
    room = room_of(metres)
    panels = []
    for name, view in _SIDES.items():
        scene = scene_of(room, view, _PANEL)
        panel = scene.background.copy()
        panel[:_NAME] = written(name, width=_PANEL.width, height=_NAME, dpi=DPI, points=10, color=QUIET)
        draw_skeleton(panel, scene, metres, skeleton, bone_width=6)
        panels.append(panel)
    heading = written(title_of(title), width=SIZE, height=TITLE_HEIGHT, dpi=DPI, points=TITLE_POINTS)
    return png_bytes(np.vstack([heading, np.hstack(panels[:2]), np.hstack(panels[2:])]), dpi=DPI)


def turntable_webp(joints: NDArray[np.floating], skeleton: Skeleton, title: str) -> bytes:
    """A pose turning once around: an animated WebP of 600 x 600 pixels.

    Args:
        joints: (J, 3) in the skeleton's unit, y up.
        skeleton: its bones.
        title: the caption.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    metres = in_metres(joints, skeleton)
    room = room_of(metres)
    heading = _moving_title(title)
    pictures = []
    for azimuth in range(0, 360, _TURN_DEGREES):
        scene = Scene(room, View(azimuth, THREE_QUARTER.elevation), _MOVING)
        picture = scene.background.copy()
        picture[:_MOVING_TITLE] = heading
        draw_floor(picture, scene, np.zeros(2))
        draw_skeleton(picture, scene, metres, skeleton, bone_width=_MOVING_BONE)
        pictures.append(picture)
    return _webp(pictures, _TURN_MS)


def motion_webp(joints: NDArray[np.floating], skeleton: Skeleton, title: str) -> bytes:
    """A whole motion at its own speed, the eye going with the figure: an animated WebP of 600 x 600 pixels.

    Args:
        joints: (T, J, 3) in the skeleton's unit, y up.
        skeleton: its bones, and its frames a second.
        title: the caption.

    Raises:
        ValueError: another shape, no frame, NaN or infinity.
    """
    metres = in_metres(joints, skeleton)
    if joints.ndim != 3 or not len(joints):
        raise ValueError(f"{joints.shape} is no motion: (frames, joints, 3)")
    scene = scene_of(room_of(metres), THREE_QUARTER, _MOVING)
    heading = _moving_title(title)
    roots = joints[:, 0, [0, 2]] * np.float64(skeleton.metres)
    pictures = []
    for frame, (pose, root) in enumerate(zip(metres, roots, strict=True)):
        picture = scene.background.copy()
        picture[:_MOVING_TITLE] = heading
        counter = f"frame {frame} / {len(joints) - 1}, {frame / skeleton.fps:.2f} s"
        picture[_MOVING_TITLE : _MOVING.top] = written(
            counter, width=_MOVING_SIZE, height=_COUNTER, dpi=_MOVING_DPI, points=9, color=QUIET
        )
        draw_floor(picture, scene, root)
        draw_skeleton(picture, scene, pose, skeleton, bone_width=_MOVING_BONE)
        pictures.append(picture)
    return _webp(pictures, round(1000 / skeleton.fps))


def _moving_title(title: str) -> NDArray[np.uint8]:
    return written(title_of(title), width=_MOVING_SIZE, height=_MOVING_TITLE, dpi=_MOVING_DPI, points=_MOVING_POINTS)


def _webp(pictures: list[NDArray[np.uint8]], frame_ms: int) -> bytes:
    content = io.BytesIO()
    first, *others = map(Image.fromarray, pictures)
    first.save(content, "WEBP", save_all=True, append_images=others, duration=frame_ms, loop=0, quality=85, method=2)
    return content.getvalue()
