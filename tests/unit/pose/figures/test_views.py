import io
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scripts.pose.figures.views import motion_webp, turntable_webp, views_png
from scripts.pose.skeleton import Skeleton
from tests.unit.pose.figures.motions import KIT, T2M, clips, kit_pose, standing

TITLE, COUNTER = slice(0, 44), slice(44, 66)


def frames(content: bytes) -> tuple[list[NDArray[np.int16]], list[float]]:
    """Pictures of an animation, and how long each is shown in ms."""
    image = Image.open(io.BytesIO(content))
    pictures, shown = [], []
    for number in range(image.n_frames):
        image.seek(number)
        pictures.append(np.asarray(image.convert("RGB")).astype(np.int16))
        shown.append(image.info["duration"])
    return pictures, shown


def differ(one: NDArray[np.int16], other: NDArray[np.int16]) -> bool:
    return bool(np.abs(one - other).max() > 60)  # WebP rounds colours a little


def test_four_views_are_one_picture_with_a_figure_in_each_quarter() -> None:
    image = Image.open(io.BytesIO(views_png(standing(), T2M, "A person waving")))
    assert image.size == (1200, 1200)
    quarters = [np.asarray(image)[top : top + 555, left : left + 600] for top in (90, 645) for left in (0, 600)]
    for number, quarter in enumerate(quarters):
        assert np.ptp(quarter.astype(int), axis=2).max() > 100
        assert all((quarter != other).any() for other in quarters[:number])
    assert views_png(standing(), T2M, "A person waving") == views_png(standing(), T2M, "A person waving")
    assert views_png(kit_pose(), KIT, "A person waving").startswith(b"\x89PNG")


def test_a_turntable_goes_once_around() -> None:
    pictures, shown = frames(turntable_webp(standing(), T2M, "A person waving"))
    assert len(pictures) == 36
    assert shown == [100] * 36
    assert all(differ(one, other) for one, other in pairwise(pictures))
    assert not differ(pictures[0][TITLE], pictures[20][TITLE])
    # From behind, the figure's left, in blue, is on the other side of its right, in orange.
    for picture, left_is_right in ((pictures[0], True), (pictures[18], False)):
        red, _, blue = np.moveaxis(picture[66:], -1, 0)
        blue_at, orange_at = (np.nonzero(where)[1].mean() for where in (blue - red > 100, red - blue > 100))
        assert (blue_at > orange_at) == left_is_right


@pytest.mark.parametrize(("skeleton", "frame_ms"), [(T2M, 50), (KIT, 80)], ids=["t2m", "kit"])
def test_a_motion_is_shown_frame_by_frame_at_its_own_speed(skeleton: Skeleton, frame_ms: int) -> None:
    motion = clips()["walk"][:6] if skeleton is T2M else np.stack([kit_pose() * size for size in (1, 0.98, 0.96)])
    content = motion_webp(motion, skeleton, "A person walks")
    pictures, shown = frames(content)
    assert len(pictures) == len(motion)
    assert shown == [frame_ms] * len(motion)
    assert all(differ(one[COUNTER], other[COUNTER]) for one, other in pairwise(pictures))
    assert not differ(pictures[0][TITLE], pictures[-1][TITLE])
    assert motion_webp(motion, skeleton, "A person walks") == content


def test_the_floor_passes_under_a_figure_that_moves() -> None:
    stays = np.stack([standing()] * 3)
    moves = stays + np.float32([0, 0, 0.2]) * np.arange(3, dtype=np.float32)[:, None, None]
    (first, second, _), _ = frames(motion_webp(stays, T2M, ""))
    assert not differ(first[66:], second[66:])
    (first, second, _), _ = frames(motion_webp(moves, T2M, ""))
    changed = np.abs(first - second)[66:].max(axis=2) > 15
    assert changed.any()
    assert np.nonzero(changed)[0].min() > 200  # the figure stays in the middle


@pytest.mark.parametrize("motion", [standing(), np.zeros((0, 22, 3)), np.zeros((2, 3, 22, 3))])
def test_what_is_no_motion_is_refused(motion: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"is no motion: \(frames, joints, 3\)"):
        motion_webp(motion, T2M, "A person walks")
