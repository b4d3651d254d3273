"""Many poses on one picture, each over its name, for the eye."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.pose.figures.drawing import draw_skeleton
from scripts.pose.figures.png import png_bytes
from scripts.pose.figures.scene import THREE_QUARTER, Look, in_metres, room_of, scene_of
from scripts.pose.figures.writing import written
from scripts.pose.skeleton import Skeleton
from scripts.shared.figures.style import DPI, drawable
from scripts.shared.selection import keyed_hash

MOST = 60
_FEWEST_COLUMNS, _COLUMNS = 5, 10
# All in pixels.
_CELL, _LINE, _LINES, _EDGE, _TOP = 180, 16, 2, 12, 70
_ROW = _CELL + _LINES * _LINE + 12
_LINE_LETTERS = 26
_LOOK = Look(width=_CELL, height=_CELL, top=0, dpi=DPI)


def choose_poses(keys: Sequence[str], *, seed: int, most: int = MOST) -> list[str]:
    """Choose poses for a sheet; those that are added later displace few of them.

    Args:
        keys: of all poses.
        seed: of the hash that decides.
        most: how many to choose, where there are as many.

    Returns:
        Some of the keys, in their order.
    """
    chosen = set(sorted(keys, key=lambda key: keyed_hash(seed, f"sheet {key}"))[:most])
    return [key for key in keys if key in chosen]


def contact_sheet_png(poses: Mapping[str, NDArray[np.floating]], skeleton: Skeleton, *, title: str) -> bytes:
    """Draw poses side by side, each in a room of its own, with its name under it.

    Args:
        poses: (J, 3) joints in the skeleton's unit by name, in their order on the sheet; without any it says so.
        skeleton: theirs.
        title: of the sheet.

    Returns:
        A PNG, up to ten poses wide.

    Raises:
        ValueError: joints of another shape, NaN or infinite.
    """
    n_columns = min(_COLUMNS, max(_FEWEST_COLUMNS, len(poses)))
    n_rows = max(1, -(-len(poses) // n_columns))
    sheet = np.full((_TOP + n_rows * _ROW + _EDGE, n_columns * _CELL + 2 * _EDGE, 3), 255, np.uint8)
    _write(sheet, title, top=8, height=30, points=14)
    _write(sheet, "warm colours: the figure's right side; cold colours: its left", top=40, height=20, points=9)
    if not poses:
        _write(sheet, "no pose was made", top=_TOP, height=_CELL, points=12)
    for number, (name, joints) in enumerate(poses.items()):
        row, column = divmod(number, n_columns)
        top, left = _TOP + row * _ROW, _EDGE + column * _CELL
        cell = sheet[top : top + _ROW, left : left + _CELL]
        cell[:_CELL] = _picture(joints, skeleton)
        for number_of_line, line in enumerate(name_lines(name)):
            _write(cell, line, top=_CELL + number_of_line * _LINE, height=_LINE, points=8)
    return png_bytes(sheet, dpi=DPI)


def name_lines(name: str) -> list[str]:
    """A name in the lines that there is room for, cut where it is longer; names of files have no blanks to break at."""
    text, most = drawable(name), _LINES * _LINE_LETTERS
    shown = text if len(text) <= most else text[: most - 3] + "..."
    return [shown[at : at + _LINE_LETTERS] for at in range(0, len(shown), _LINE_LETTERS)]


def _write(picture: NDArray[np.uint8], text: str, *, top: int, height: int, points: float) -> None:
    width = picture.shape[1]
    picture[top : top + height] = written(text, width=width, height=height, dpi=DPI, points=points)


def _picture(joints: NDArray[np.floating], skeleton: Skeleton) -> NDArray[np.uint8]:
    metres = in_metres(joints, skeleton)
    scene = scene_of(room_of(metres), THREE_QUARTER, _LOOK)
    picture = scene.background.copy()
    draw_skeleton(picture, scene, metres, skeleton, bone_width=3)
    return picture
