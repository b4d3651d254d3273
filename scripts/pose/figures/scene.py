"""The room of a pose, seen from somewhere: matplotlib's 3D axes, drawn once, and where points lie on them."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from scripts.pose.figures.palette import CHAIN_COLORS, CHAIN_NAMES
from scripts.pose.skeleton import Skeleton
from scripts.shared.figures.style import QUIET, house_style

# So that the room, and the numbers beside it, fill the picture.
_ZOOM, _ZOOM_BARE, _ZOOM_FLAT, _LIFT = 1.06, 1.03, 1.35, 0.03
_AN_INKLING = 0.01  # degrees
_SEEN_FROM_ITS_END = 0.99  # cosine to the line of sight: such an axis is a point, its numbers one blot
_SIZE, _GROWTH = 2.0, 1.25
_SLACK = 0.05  # of the room's size: so far out a point is still on the picture
_HIGHEST_JUMP = 2.0
_FLOOR_STEPS = 8  # the floor under a pose that is off the ground is at a multiple of such a part of the room
_FINEST = 1e-6  # least size of a room as a part of its floor's height: below it, matplotlib sees no room at all
_SCENES_KEPT = 16


@dataclass(frozen=True)
class View:
    """Where a pose is seen from.

    Attributes:
        azimuth: degrees around the vertical: 0 from the front, 90 from the figure's left.
        elevation: degrees above the horizon.
        perspective: False keeps parallels parallel, so that lengths can be compared.
    """

    azimuth: float
    elevation: float
    perspective: bool = True

    def direction(self) -> tuple[float, float, float]:
        """From the figure to the eye: x, y, z of length 1."""
        around, up = math.radians(self.azimuth), math.radians(self.elevation)
        return math.sin(around) * math.cos(up), math.sin(up), math.cos(around) * math.cos(up)


THREE_QUARTER = View(azimuth=35, elevation=18)
# Not quite 0: seen exactly from its side, matplotlib cannot tell which edges of the room are the front ones.
FRONT = View(azimuth=_AN_INKLING, elevation=_AN_INKLING, perspective=False)
LEFT_SIDE = View(azimuth=90 - _AN_INKLING, elevation=_AN_INKLING, perspective=False)
TOP = View(azimuth=-_AN_INKLING, elevation=90 - _AN_INKLING, perspective=False)


class Room(NamedTuple):
    """A cube around the vertical through the root, in metres: its edge, and the height of its floor."""

    size: float
    floor: float


@dataclass(frozen=True)
class Look:
    """Size and style of the picture of a room.

    Attributes:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        top: pixels left white above the room, for a title.
        dpi: pixels an inch: how large letters and lines are.
        numbered: whether the axes have numbers and names.
        legend: whether the colours of the chains are explained.
        grid: whether there are lines on the floor and the walls.
    """

    width: int
    height: int
    top: int
    dpi: int
    numbered: bool = False
    legend: bool = False
    grid: bool = True


def in_metres(joints: NDArray[np.floating], skeleton: Skeleton) -> NDArray[np.float64]:
    """Poses in metres, each with its root on the vertical axis.

    Args:
        joints: (..., J, 3) in the skeleton's unit.
        skeleton: theirs.

    Returns:
        (..., J, 3) float64; heights are kept.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    if joints.shape[-2:] != (skeleton.n_joints, 3):
        raise ValueError(f"{joints.shape} is not the shape (..., {skeleton.n_joints}, 3) of {skeleton.name} joints")
    metres = joints.astype(np.float64) * skeleton.metres
    metres[..., [0, 2]] -= metres[..., :1, [0, 2]]
    if not np.isfinite(metres).all():
        raise ValueError("joints are NaN or infinite")
    return metres


def room_of(metres: NDArray[np.float64]) -> Room:
    """The room for poses: a cube of 2 m, larger only where a pose would leave it.

    Its floor is at height 0 where the feet can have jumped off it, else under the pose.

    Args:
        metres: (..., J, 3) as `in_metres` gives them.
    """
    reach = float(np.abs(metres[..., [0, 2]]).max())
    low, high = float(metres[..., 1].min()), float(metres[..., 1].max())
    size = _SIZE
    while True:
        slack = _SLACK * size
        step = size / _FLOOR_STEPS
        floor = 0.0 if -slack <= low <= _HIGHEST_JUMP else math.floor(low / step) * step
        if max(reach - size / 2, high - floor - size) <= slack and size > _FINEST * abs(floor):
            return Room(size, floor)
        size *= _GROWTH


class Scene:
    """An empty room seen from one side, and the way from metres to pixels.

    Attributes:
        background: (height, width, 3) uint8 RGB, to be copied and not drawn on.
        room: the room.
    """

    def __init__(self, room: Room, view: View, look: Look) -> None:
        with house_style():
            figure = Figure(figsize=(look.width / look.dpi, look.height / look.dpi), dpi=look.dpi)
            canvas: Any = FigureCanvasAgg(figure)
            axes = _axes(figure, room, view, look)
            if look.legend:
                for line, (part, color) in enumerate(zip(CHAIN_NAMES, CHAIN_COLORS, strict=True)):
                    figure.text(0.97, 0.02 + 0.02 * line, part, color=color, fontsize=9, ha="right", weight="bold")
            canvas.draw()
            # Whole in memory: copies of a view into red, green, blue and alpha take ten times as long.
            self.background = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
            self._projection = axes.get_proj()
            self._to_pixels = axes.transData.get_matrix()
        self._height = look.height
        self.room = room

    def project(self, metres: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where points lie on the picture.

        Args:
            metres: (..., 3) x, y (up), z.

        Returns:
            (..., 2) pixels from the left and from the top, and (...) how far away, the farthest largest.
        """
        homogeneous = np.concatenate([metres, np.ones_like(metres[..., :1])], axis=-1)
        x, y, depth, scale = np.moveaxis(homogeneous @ self._projection.T, -1, 0)
        flat = np.stack([x / scale, y / scale, np.ones_like(x)], axis=-1) @ self._to_pixels.T
        return np.stack([flat[..., 0], self._height - flat[..., 1]], axis=-1), depth / scale


def _axes(figure: Figure, room: Room, view: View, look: Look) -> Any:
    axes: Any = figure.add_axes((0, _LIFT * look.numbered, 1, 1 - look.top / look.height), projection="3d")
    axes.set_proj_type("persp" if view.perspective else "ortho")
    axes.view_init(view.elevation, view.azimuth, vertical_axis="y")
    half = room.size / 2
    axes.set(xlim=(-half, half), ylim=(room.floor, room.floor + room.size), zlim=(-half, half))
    zoom = _ZOOM_FLAT if not view.perspective else _ZOOM if look.numbered else _ZOOM_BARE
    axes.set_box_aspect((1, 1, 1), zoom=zoom)
    axes.grid(look.grid)
    axes.tick_params(labelcolor=QUIET, labelsize=9)
    for name, towards_eye in zip("xyz", view.direction(), strict=True):
        axis = getattr(axes, f"{name}axis")
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10], prune=None if name == "y" else "both"))
        if not look.numbered or abs(towards_eye) > _SEEN_FROM_ITS_END:
            axis.set_major_formatter(NullFormatter())
            axis.set_tick_params(color="none")
            axis.line.set_visible(False)
        else:
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_label_text(f"{name} (m)", color=QUIET)
    drawn_upwards = (axes.yaxis, axes.zaxis) if view.elevation > 45 else (axes.yaxis,)
    for axis in drawn_upwards:  # their names are else written downwards
        axis.set_rotate_label(False)
        axis.label.set_rotation(90)
    return axes


@lru_cache(maxsize=_SCENES_KEPT)
def scene_of(room: Room, view: View, look: Look) -> Scene:
    """The scene; those used last are kept, since drawing one takes as long as several poses."""
    return Scene(room, view, look)
