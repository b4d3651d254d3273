from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scripts.pose.check import listed_poses, picture_checker, pose_checker, text_checker
from scripts.pose.figures.png import png_bytes
from scripts.pose.pose_files import array_npy, pose_json
from scripts.pose.skeleton import SKELETONS
from scripts.shared.errors import JobError
from scripts.shared.pickle_head import HEAD_BYTES

T2M = SKELETONS["t2m"]
FRAME = 3


def motion() -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(16, 22, 3)).astype(np.float32)


def of_a_pose(joints: NDArray[np.float32], name: str = "walk") -> dict[str, bytes]:
    return {f"poses/{name}.npy": array_npy(joints), f"poses/{name}.json": pose_json(joints, "walk", FRAME, T2M)}


def with_motion() -> dict[str, bytes]:
    features = np.zeros((16, 67), np.float32)
    return of_a_pose(motion()[FRAME]) | {
        "motions/walk.npy": array_npy(motion()),
        "motions/walk_features.npy": array_npy(features),
    }


def picture(side: int = 1200) -> bytes:
    noise = np.random.default_rng(2).integers(0, 2, (side, side, 3), np.uint8)
    return png_bytes(noise, dpi=150)


CHECK_POSE = pose_checker({"skeleton": "t2m"})
CHECK_TEXT, CHECK_PICTURE = text_checker({}), picture_checker({})


def test_right_files_pass() -> None:
    assert CHECK_TEXT({"text/walk.npy": array_npy(np.ones(512, np.float32))}) == ""
    assert CHECK_POSE(of_a_pose(motion()[0]) | of_a_pose(motion()[1], "walk-r2")) == ""
    assert CHECK_POSE(with_motion()) == ""
    assert CHECK_PICTURE({"poses/walk.png": picture()}) == ""


def test_a_text_vector_is_one_row_of_finite_numbers() -> None:
    assert "(2, 4), not one row" in CHECK_TEXT({"text/walk.npy": array_npy(np.ones((2, 4), np.float32))})
    assert "holds NaN" in CHECK_TEXT({"text/walk.npy": array_npy(np.full(4, np.nan, np.float32))})
    assert CHECK_TEXT({}) == "no file on record"


def test_npy_and_json_of_a_pose_agree_to_the_last_bit() -> None:
    joints = motion()[0]
    nudged = joints.copy()
    nudged[7, 1] = np.nextafter(nudged[7, 1], np.float32(9))
    files = of_a_pose(joints) | {"poses/walk.json": pose_json(nudged, "walk", FRAME, T2M)}
    assert CHECK_POSE(files) == "poses/walk.json: its joints are not those of the .npy"


def test_every_repeat_is_looked_at() -> None:
    files = of_a_pose(motion()[0]) | of_a_pose(motion()[1], "walk-r2")
    del files["poses/walk-r2.json"]
    assert CHECK_POSE(files) == "no poses/walk-r2.json on record"
    assert "poses/walk-r2.npy: no .npy file" in CHECK_POSE(files | {"poses/walk-r2.npy": b""})


def test_a_pose_has_the_joints_of_its_skeleton() -> None:
    assert "not (21, 3) as skeleton: kit" in pose_checker({"skeleton": "kit"})(of_a_pose(motion()[0]))
    assert CHECK_POSE({"text/walk.npy": b""}) == "no pose on record"


def test_a_pose_is_the_frame_of_its_motion() -> None:
    assert CHECK_POSE(with_motion() | of_a_pose(motion()[0])) == "motions/walk.npy: its frame 3 is not the pose"
    beyond = {"poses/walk.json": pose_json(motion()[FRAME], "walk", 16, T2M)}
    assert CHECK_POSE(with_motion() | beyond) == "motions/walk.npy: its frame 16 is not the pose"
    short = array_npy(motion()[:FRAME])
    assert "with features (16, 67), which is no motion" in CHECK_POSE(with_motion() | {"motions/walk.npy": short})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no PNG"),
        (picture(1184), "1184x1184 pixels, not 1200x1200"),
        (picture()[:-1], "cut off or damaged"),
        (picture()[:9000] + picture()[-12:], "cut off or damaged"),
        (picture().replace(picture()[9000:9008], bytes(8)), "cut off or damaged"),
    ],
    ids=["empty", "small", "cut", "hole", "damaged"],
)
def test_a_picture_that_is_none_is_told(content: bytes, words: str) -> None:
    assert words in CHECK_PICTURE({"poses/walk.png": content})


def test_of_a_large_picture_the_beginning_is_checked() -> None:
    assert CHECK_PICTURE({"poses/walk.png": picture()[:HEAD_BYTES]}) == ""
    assert CHECK_PICTURE({"poses/walk.png": picture(1184)[:HEAD_BYTES]}) != ""


def test_the_index_lists_what_is_made(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text('caption,name,files,status\n"a, b",a_b,,ok\nx,x,,failed\nc,c,,ok\n')
    assert listed_poses(tmp_path) == ["a_b", "c"]


@pytest.mark.parametrize("content", [None, b"\xff", b"caption,name\na,a\n"])
def test_an_index_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "index.csv").write_bytes(content)
    with pytest.raises(JobError, match=r"index\.csv: cannot be read"):
        listed_poses(tmp_path)
