import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.pose.figures.drawing import draw_floor, draw_skeleton
from scripts.pose.figures.palette import CHAIN_COLORS, rgb
from scripts.pose.figures.scene import FRONT, THREE_QUARTER, Look, Room, in_metres, scene_of
from scripts.pose.skeleton import Skeleton
from tests.unit.pose.figures.motions import KIT, T2M, clips, kit_pose, standing

LOOK = Look(width=300, height=300, top=0, dpi=50, grid=False)
CROSS = Skeleton("cross", 4, "metres", 1.0, 20.0, ((0, 1), (0, 2, 3), (0,), (0,), (0,)), None)


def drawn(metres: NDArray[np.float64], skeleton: Skeleton) -> NDArray[np.uint8]:
    scene = scene_of(Room(2, 0), FRONT, LOOK)
    picture = scene.background.copy()
    draw_skeleton(picture, scene, metres, skeleton, bone_width=5)
    return picture


def n_pixels(picture: NDArray[np.uint8], color: str) -> int:
    return int((picture == rgb(color)).all(axis=2).sum())


@pytest.mark.parametrize("skeleton", [T2M, KIT], ids=["t2m", "kit"])
def test_every_chain_has_its_colour(skeleton: Skeleton) -> None:
    metres = in_metres(standing() if skeleton is T2M else kit_pose(), skeleton)
    assert all(n_pixels(drawn(metres, skeleton), color) > 40 for color in CHAIN_COLORS)


def test_all_bones_of_a_skeleton_are_drawn() -> None:
    for skeleton in (T2M, KIT):
        ends = [end for chain in skeleton.chains for end in chain[1:]]
        assert sorted(ends) == list(range(1, skeleton.n_joints))


@pytest.mark.parametrize("nearest", [0, 1])
def test_the_nearer_of_two_crossing_bones_covers_the_other(nearest: int) -> None:
    metres = np.array([[-0.5, 0.5, 0.3], [0.5, 1.5, 0.3], [0.5, 0.5, -0.3], [-0.5, 1.5, -0.3]])
    metres[:, 2] *= 1 if nearest == 0 else -1
    picture = drawn(metres, CROSS)
    (crossing,), _ = scene_of(Room(2, 0), FRONT, LOOK).project(np.array([[0.0, 1, 0]]))
    column, row = crossing.round().astype(int)
    assert tuple(picture[row, column]) == rgb(CHAIN_COLORS[nearest])


def test_a_pose_off_the_ground_has_its_shadow_below_it() -> None:
    scene = scene_of(Room(2, 0), THREE_QUARTER, LOOK)
    metres = in_metres(clips()["backflip"][18], T2M)
    picture = scene.background.copy()
    draw_skeleton(picture, scene, metres, T2M, bone_width=5)
    rows = np.unique(np.nonzero((picture != scene.background).any(axis=2))[0])
    lowest, _ = scene.project(metres)
    assert rows.max() > lowest[:, 1].max() + 20
    assert np.diff(rows).max() > 5  # nothing between the figure and its shadow


def test_the_floor_stands_still_while_the_figure_moves_over_it() -> None:
    scene = scene_of(Room(2, 0), THREE_QUARTER, LOOK)

    def floor(x: float, z: float) -> NDArray[np.uint8]:
        picture = scene.background.copy()
        draw_floor(picture, scene, np.array([x, z]))
        return picture

    assert (floor(0, 0) != scene.background).any()
    np.testing.assert_array_equal(floor(0.5, 0), floor(0, 0))  # a line every half metre
    np.testing.assert_array_equal(floor(3, -7.5), floor(0, 0))
    assert (floor(0.2, 0) != floor(0, 0)).any()
    assert (floor(0, 0.2) != floor(0, 0)).any()
    assert (floor(0, 0.2) != floor(0.2, 0)).any()
