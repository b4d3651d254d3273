"""The baseline: a new matplotlib 3D figure for each picture, as scripts of the field draw poses.

Nothing of the project is used but its list of bones.
"""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

matplotlib.use("Agg")
COLORS = ("red", "blue", "black", "orange", "green")


def draw(joints: np.ndarray, chains: tuple[tuple[int, ...], ...], title: str, path: Path, *, tight: bool) -> None:
    """Draw a pose (J, 3) in metres, its root in the middle, and save it: 8 x 8 inches at 150 dpi.

    With `tight` the white edge is cut off, as such scripts like to do: pictures of odd sizes, drawn twice.
    """
    points = joints - joints[0] * np.array([1, 0, 1])
    figure = plt.figure(figsize=(8, 8))
    axes = figure.add_subplot(111, projection="3d")
    for chain, color in zip(chains, COLORS, strict=True):
        x, y, z = points[list(chain)].T
        axes.plot(x, z, y, color=color, linewidth=3, marker="o", markersize=5)
    axes.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(0, 2), xlabel="X", ylabel="Z", zlabel="Y")
    axes.set_title(title)
    axes.view_init(elev=15, azim=60)
    figure.savefig(path, dpi=150, bbox_inches="tight" if tight else None)
    plt.close(figure)
