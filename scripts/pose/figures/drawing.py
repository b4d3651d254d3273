"""A skeleton drawn into a picture: what is near covers what is far."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.pose.figures.palette import CHAIN_COLORS, SPINE, rgb
from scripts.pose.figures.scene import Scene
from scripts.pose.skeleton import Skeleton

_WHITE, _SHADOW, _FLOOR_LINE = (255, 255, 255), (200, 204, 208), (212, 216, 220)
_FLOOR_LINES = 4
_FRACTION_BITS = 4  # of a pixel, in OpenCV's whole-number coordinates


def draw_skeleton(
    picture: NDArray[np.uint8],
    scene: Scene,
    metres: NDArray[np.float64],
    skeleton: Skeleton,
    *,
    bone_width: float,
) -> None:
    """Draw a pose with its shadow on the floor.

    Args:
        picture: (height, width, 3) uint8 RGB, drawn on.
        scene: the room that the picture shows.
        metres: (J, 3) as `in_metres` gives them.
        skeleton: its bones.
        bone_width: in pixels; all else follows from it.
    """
    places, depths = scene.project(metres)
    shadows, _ = scene.project(metres * (1, 0, 1) + (0, scene.room.floor, 0))
    bones = [
        (start, end, rgb(color))
        for chain, color in zip(skeleton.chains, CHAIN_COLORS, strict=True)
        for start, end in pairwise(chain)
    ]
    for start, end, _ in bones:
        _line(picture, shadows[start], shadows[end], _SHADOW, bone_width)
    parts: list[tuple[float, Callable[[], None]]] = []
    nearest: dict[int, float] = {}  # bone of each joint
    for start, end, color in bones:
        depth = float(depths[start] + depths[end]) / 2
        parts.append((depth, partial(_bone, picture, places[start], places[end], color, bone_width)))
        for joint in (start, end):
            nearest[joint] = min(depth, nearest.get(joint, depth))
    # A joint has the colour of the chain that leads to it, the root that of the spine, and lies on all its bones.
    colors = {end: color for _, end, color in bones} | {0: rgb(CHAIN_COLORS[SPINE])}
    parts += [(nearest[joint], partial(_joint, picture, places[joint], colors[joint], bone_width)) for joint in nearest]
    for _, draw in sorted(parts, key=lambda part: -part[0]):  # the sort is stable: bones come before joints
        draw()


def draw_floor(picture: NDArray[np.uint8], scene: Scene, origin: NDArray[np.float64]) -> None:
    """Draw the lines of a floor that a walking figure leaves behind; they stand still in the world.

    Args:
        picture: (height, width, 3) uint8 RGB, drawn on.
        scene: the room that the picture shows.
        origin: (2,) x and z of the room's middle in the world, in metres.
    """
    size, floor = scene.room
    half, step = size / 2, size / _FLOOR_LINES
    for axis, at in enumerate(origin):
        first = math.ceil((at - half) / step)
        for place in np.arange(first, math.floor((at + half) / step) + 1) * step - at:
            ends = np.array([[place, floor, -half], [place, floor, half]])
            start, end = scene.project(ends if axis == 0 else ends[:, ::-1])[0]
            _line(picture, start, end, _FLOOR_LINE, 1)


def _bone(
    picture: NDArray[np.uint8],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    color: tuple[int, int, int],
    width: float,
) -> None:
    _line(picture, start, end, _WHITE, 1.5 * width)
    _line(picture, start, end, color, width)


def _joint(picture: NDArray[np.uint8], place: NDArray[np.float64], color: tuple[int, int, int], width: float) -> None:
    _dot(picture, place, color, 0.9 * width)
    _dot(picture, place, _WHITE, 0.45 * width)


def _line(
    picture: NDArray[np.uint8],
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    color: tuple[int, int, int],
    width: float,
) -> None:
    cv2.line(picture, _fixed(start), _fixed(end), color, max(1, round(width)), cv2.LINE_AA, _FRACTION_BITS)


def _dot(picture: NDArray[np.uint8], place: NDArray[np.float64], color: tuple[int, int, int], radius: float) -> None:
    cv2.circle(
        picture, _fixed(place), round(radius * 2**_FRACTION_BITS), color, cv2.FILLED, cv2.LINE_AA, _FRACTION_BITS
    )


def _fixed(place: NDArray[np.float64]) -> tuple[int, int]:
    x, y = np.rint(place * 2**_FRACTION_BITS).astype(int).tolist()
    return x, y
