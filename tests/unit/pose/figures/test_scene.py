import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.pose.figures.scene import (
    FRONT,
    LEFT_SIDE,
    THREE_QUARTER,
    TOP,
    Look,
    Room,
    Scene,
    View,
    in_metres,
    room_of,
    scene_of,
)
from tests.unit.pose.figures.motions import KIT, T2M, clips, kit_pose, standing

LOOK = Look(width=300, height=300, top=30, dpi=50)
NUMBERED = Look(width=300, height=300, top=30, dpi=50, numbered=True)
PELVIS, LEFT_HIP, RIGHT_HIP, LEFT_FOOT, HEAD, LEFT_WRIST, RIGHT_WRIST = 0, 1, 2, 10, 15, 20, 21
SIDES = {"front": FRONT, "left": LEFT_SIDE, "three-quarter": THREE_QUARTER, "back": View(180, 10)}


@pytest.mark.parametrize("side", SIDES)
def test_the_head_is_above_the_pelvis_and_the_feet_are_below(side: str) -> None:
    places, _ = scene_of(Room(2, 0), SIDES[side], LOOK).project(in_metres(standing(), T2M))
    assert places[HEAD, 1] < places[PELVIS, 1] < places[LEFT_FOOT, 1]


def test_a_figure_that_faces_the_eye_has_its_left_at_the_right_of_the_picture() -> None:
    metres = in_metres(standing(), T2M)
    for view in (FRONT, THREE_QUARTER, TOP):
        places, _ = scene_of(Room(2, 0), view, LOOK).project(metres)
        assert places[LEFT_HIP, 0] > places[RIGHT_HIP, 0]
        assert places[LEFT_WRIST, 0] > places[RIGHT_WRIST, 0]
    places, _ = scene_of(Room(2, 0), View(180, 10), LOOK).project(metres)
    assert places[LEFT_WRIST, 0] < places[RIGHT_WRIST, 0]


def test_a_figure_seen_from_its_left_faces_left_and_shows_its_left_side_nearest() -> None:
    _, depths = scene_of(Room(2, 0), LEFT_SIDE, LOOK).project(in_metres(standing(), T2M))
    assert depths[LEFT_WRIST] < depths[RIGHT_WRIST]
    ahead, _ = scene_of(Room(2, 0), LEFT_SIDE, LOOK).project(np.array([[0.0, 1, 0], [0, 1, 0.5]]))
    assert ahead[1, 0] < ahead[0, 0]


def test_points_lie_where_matplotlib_draws_them() -> None:
    # Its floor is darker than its walls: the edge between them is at the height of the farthest corner.
    scene = scene_of(Room(2, 0), FRONT, Look(width=300, height=300, top=30, dpi=50, grid=False))
    corners, _ = scene.project(np.array([[-1.0, 0, 0], [1, 2, 0]]))
    drawn = np.argwhere(scene.background.min(axis=2) < 255)
    np.testing.assert_allclose([drawn[:, 1].min(), drawn[:, 0].max()], corners[0], atol=2)
    np.testing.assert_allclose([drawn[:, 1].max(), drawn[:, 0].min()], corners[1], atol=2)


@pytest.mark.parametrize("look", [LOOK, NUMBERED], ids=["bare", "numbered"])
@pytest.mark.parametrize("view", [*SIDES.values(), TOP, View(45, 18), View(225, 18)])
def test_whatever_a_room_holds_is_on_the_picture_under_the_title(look: Look, view: View) -> None:
    out = 1.05  # half of the room and the slack
    corners = np.array([[x, y, z] for x in (-out, out) for y in (-0.1, 2.1) for z in (-out, out)])
    places, _ = scene_of(Room(2, 0), view, look).project(corners)
    assert places[:, 0].min() > 3
    assert places[:, 0].max() < look.width - 3
    assert places[:, 1].min() > look.top
    assert places[:, 1].max() < look.height - 3


@pytest.mark.parametrize("name", ["walk", "run", "punch", "crawl", "cartwheel", "getup_facedown", "roll", "backflip"])
def test_people_are_in_a_room_of_two_metres_with_its_floor_at_zero(name: str) -> None:
    assert {room_of(in_metres(pose, T2M)) for pose in clips()[name]} == {Room(2, 0)}


def test_a_room_grows_where_a_pose_needs_it_and_only_then() -> None:
    metres = in_metres(standing(), T2M)
    assert room_of(metres + np.array([0, 0.7, 0])) == Room(2.5, 0)  # a jump
    assert room_of(metres * 1.5).size > 2
    assert room_of(metres - np.array([0, 0.05, 0])) == Room(2, 0)  # feet a little in the ground
    assert room_of(metres - np.array([0, 0.6, 0])) == Room(2, -0.5)
    assert room_of(metres + np.array([0, 30.1, 0])) == Room(2, 30)  # the height has run away


@settings(max_examples=30)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=66, max_size=66))
def test_every_finite_pose_is_in_its_room(numbers: list[float]) -> None:
    metres = in_metres(np.array(numbers, np.float32).reshape(22, 3), T2M)
    size, floor = room_of(metres)
    slack = 0.0501 * size
    assert np.abs(metres[:, [0, 2]]).max() <= size / 2 + slack
    assert floor - slack <= metres[:, 1].min()
    assert metres[:, 1].max() <= floor + size + slack


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("far", [1e4, 1e20, 3e38])
def test_poses_beyond_all_measure_have_a_scene_that_holds_them(far: float) -> None:
    for move in (np.array([0, far, 0]), np.array([0, -far, 0]), np.eye(22, 3, -15) * far):
        metres = in_metres((standing() + move).astype(np.float32), T2M)
        places, depths = Scene(room_of(metres), THREE_QUARTER, LOOK).project(metres)
        assert places.min() > 0
        assert places.max() < 300
        assert np.isfinite(depths).all()


def test_both_skeletons_come_out_in_metres_with_the_root_in_the_middle() -> None:
    moved = standing() + np.float32([5, 0, -3])
    metres = in_metres(moved, T2M)
    np.testing.assert_array_equal(metres[0, [0, 2]], 0)
    np.testing.assert_allclose(metres[:, 1], standing()[:, 1])
    kit = in_metres(kit_pose(), KIT)
    assert room_of(kit) == Room(2, 0)
    assert 1 < np.ptp(kit[:, 1]) < 2


def test_each_frame_of_a_motion_has_its_own_middle() -> None:
    metres = in_metres(clips()["walk"], T2M)
    assert metres.shape == (25, 22, 3)
    np.testing.assert_array_equal(metres[:, 0, [0, 2]], 0)


@pytest.mark.parametrize("joints", [np.zeros((21, 3)), np.zeros((22, 2)), np.zeros(66)])
def test_joints_of_another_shape_are_refused(joints: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"is not the shape \(..., 22, 3\) of t2m joints"):
        in_metres(joints, T2M)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_joints_that_are_no_numbers_are_refused(bad: float) -> None:
    joints = standing().copy()
    joints[3, 1] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        in_metres(joints, T2M)
