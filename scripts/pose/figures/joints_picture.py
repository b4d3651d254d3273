"""The joints of a skeleton on one figure, each with its number and name: a picture for the documentation.

python -m scripts.pose.figures.joints_picture MOTIONS.npz CLIP FRAME PICTURE.png
"""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scripts.pose.figures.palette import CHAIN_COLORS, CHAIN_NAMES, SPINE
from scripts.pose.figures.scene import in_metres
from scripts.pose.skeleton import SKELETONS, Skeleton
from scripts.shared import atomic_files
from scripts.shared.figures.style import DPI, QUIET, house_style, to_png

_WIDTH, _HEIGHT, _TOP = 1100, 940, 70  # pixels
# In metres: half the height shown, where names stand left and right of the root, and their distance at least.
_REACH, _COLUMN, _LINE = 0.95, 0.75, 0.08


def joints_figure(joints: NDArray[np.floating], skeleton: Skeleton) -> Figure:
    """Draw a pose from its front with all joints named: the figure's left is at the right.

    Args:
        joints: (J, 3) in the skeleton's unit; best a pose that spreads arms and legs and faces +Z.
        skeleton: its names; numbers alone where it has none.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    metres = in_metres(joints, skeleton)
    colors = {0: CHAIN_COLORS[SPINE]}
    columns: dict[int, list[int]] = {-1: [0], 1: []}
    with house_style():
        figure = Figure(figsize=(_WIDTH / DPI, _HEIGHT / DPI))
        axes = figure.add_axes((0, 0, 1, 1 - _TOP / _HEIGHT))
        for chain, color, part in zip(skeleton.chains, CHAIN_COLORS, CHAIN_NAMES, strict=True):
            for start, end in pairwise(chain):
                axes.plot(*metres[[start, end], :2].T, color=color, linewidth=6, solid_capstyle="round", zorder=2)
                colors[end] = color
                columns[1 if part.startswith("left") else -1].append(end)
        for side, members in columns.items():
            members.sort(key=lambda joint: -metres[joint, 1])
            for joint, height in zip(members, apart(metres[members, 1].tolist(), _LINE), strict=True):
                x, y = metres[joint, :2]
                axes.plot([x, side * _COLUMN * 0.97], [y, height], color=QUIET, linewidth=0.7, zorder=3)
                axes.plot(
                    x, y, "o", color="white", markeredgecolor=colors[joint], markersize=9, markeredgewidth=2, zorder=4
                )
                name = f"  {skeleton.joint_names[joint]}" if skeleton.joint_names else ""
                axes.text(
                    side * _COLUMN,
                    height,
                    f"{joint}{name}",
                    ha="left" if side > 0 else "right",
                    va="center",
                    color=colors[joint],
                    fontsize=12,
                    fontweight="bold",
                )
        middle = (metres[:, 1].min() + metres[:, 1].max()) / 2
        wide = _REACH * _WIDTH / (_HEIGHT - _TOP)
        axes.set(xlim=(-wide, wide), ylim=(middle - _REACH, middle + _REACH))
        axes.set_axis_off()
        figure.text(0.5, 0.955, f"The {skeleton.n_joints} joints, seen from the front", ha="center", fontsize=14)
        figure.text(0.5, 0.925, "warm colours: its right side; cold colours: its left", ha="center", color=QUIET)
    return figure


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Heights moved as little as it takes to be apart, in their order.

    Args:
        heights: descending.
        least: distance from one to the next.

    Returns:
        As many, descending; the sum of squares of the ways moved is the least there is.

    Source: pool adjacent violators, Ayer et al. 1955, doi:10.1214/aoms/1177728423.
    """
    pools: list[list[float]] = []  # that move together, as if there were no distance to keep
    for number, height in enumerate(heights):
        pools.append([height + number * least])
        while len(pools) > 1 and np.mean(pools[-2]) < np.mean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    level = [float(np.mean(pool)) for pool in pools for _ in pool]
    return [height - number * least for number, height in enumerate(level)]


def main(motions: str, clip: str, frame: str, picture: str) -> None:
    """Draw a frame of a clip of the motions that the toy model is trained on."""
    with np.load(motions, allow_pickle=False) as clips:
        joints = clips[f"{clip}_joints"][int(frame)]
    atomic_files.write_bytes(Path(picture), to_png(joints_figure(joints, SKELETONS["t2m"])))


if __name__ == "__main__":
    main(*sys.argv[1:])
