import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from scripts.pose.pose_files import (
    PoseFileError,
    array_npy,
    pose_json,
    read_array,
    read_pose_json,
    read_pose_npy,
)
from scripts.pose.skeleton import SKELETONS

GOLDEN = Path("tests/data/golden/mardm/pose_example.json")
T2M, KIT = SKELETONS["t2m"], SKELETONS["kit"]
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def joints(n_joints: int = 22) -> NDArray[np.float32]:
    return np.random.default_rng(n_joints).normal(size=(n_joints, 3)).astype(np.float32)


def saved(array: Any, **options: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def edited(**fields: Any) -> bytes:
    told = json.loads(pose_json(joints(), "walk", 8, T2M)) | fields
    return json.dumps({name: value for name, value in told.items() if value != "absent"}).encode()


def test_the_json_is_byte_for_byte_that_of_the_scripts_in_use() -> None:
    golden = GOLDEN.read_bytes()
    pose = read_pose_json(golden, T2M, GOLDEN.name)
    assert len(golden) == 2516
    assert pose_json(pose.joints, pose.caption, pose.frame_index, T2M) == golden


def test_the_json_of_kit_has_its_unit_and_no_names_of_joints() -> None:
    told = json.loads(pose_json(1000 * joints(21), "走 walk", 3, KIT))
    assert list(told) == ["caption", "frame_index", "num_joints", "joints", "joint_names", "unit"]
    assert (told["num_joints"], told["joint_names"], told["unit"]) == (21, None, "millimetres")
    assert "走".encode() in pose_json(joints(21), "走 walk", 3, KIT)


@given(arrays.arrays(np.float32, (22, 3), elements=FLOATS), st.text(st.characters(exclude_categories=["Cs"])))
def test_npy_and_json_give_every_bit_back(made: NDArray[np.float32], caption: str) -> None:
    assert read_pose_npy(array_npy(made), T2M, "a.npy").tobytes() == made.tobytes()
    pose = read_pose_json(pose_json(made, caption, 8, T2M), T2M, "a.json")
    assert (pose.caption, pose.frame_index) == (caption, 8)
    assert pose.joints.tobytes() == made.tobytes()


def test_an_npy_is_float32_in_c_order_as_numpy_loads_it() -> None:
    turned = np.asfortranarray(joints().astype(np.float64))
    loaded = np.load(io.BytesIO(array_npy(turned)))  # type: ignore[arg-type]
    assert (loaded.dtype, loaded.flags.c_contiguous, loaded.tolist()) == (np.float32, True, joints().tolist())
    assert array_npy(np.ones((2, 3, 4), np.float32)) == saved(np.ones((2, 3, 4), np.float32))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no .npy file"),
        (b"\x93NUMPY\x01\x00\x76\x00{", "no .npy file"),
        (saved(np.array([{"a": 1}]), allow_pickle=True), "holds object, not float32"),
        (saved(joints().astype(np.float64)), "holds float64, not float32"),
        (saved(joints().astype(">f4")), "holds >f4, not float32"),
        (saved(np.asfortranarray(joints())), "in Fortran order"),
        (saved(joints())[:-1], "263 bytes for an array of (22, 3); it is cut off"),
        (saved(joints()).replace(b"(22, 3)", b"(2**9,)"), "no .npy file"),
        (saved(np.full((22, 3), np.nan, np.float32)), "holds NaN or infinity"),
        (saved(np.full((22, 3), np.inf, np.float32)), "holds NaN or infinity"),
        (saved(joints(21)), "(21, 3), not (22, 3) as skeleton: t2m has it"),
        (saved(joints()[None]), "(1, 22, 3), not (22, 3)"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_npy_that_is_no_pose_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(PoseFileError) as refused:
        read_pose_npy(data, T2M, "a.npy")
    assert words in str(refused.value)
    assert str(refused.value).startswith("a.npy: ")


def test_an_array_that_claims_more_than_it_holds_takes_no_memory() -> None:
    content = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(content, header)  # type: ignore[arg-type]
    with pytest.raises(PoseFileError, match=r"32 bytes for an array of .* it is cut off"):
        read_array(content.getvalue() + bytes(32), "a.npy")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"num_joints": 21}, "'num_joints' is 21"),
        ({"joint_names": None}, "'joint_names' is None"),
        ({"unit": "millimetres"}, "'unit' is 'millimetres'"),
        ({"caption": "absent"}, "'caption' is None"),
        ({"frame_index": -1}, "'frame_index' is -1"),
        ({"frame_index": True}, "'frame_index' is True"),
        ({"joints": joints(21).tolist()}, "'joints' is not a list of 22 points"),
        ({"joints": joints()[:, :2].tolist()}, "'joints' is not"),
        ({"joints": 22 * [[0.0, 1.0, float("nan")]]}, "'joints' is not"),
        ({"joints": 22 * [[0.0, 1.0, "2"]]}, "'joints' is not"),
        ({"joints": 22 * [[0.0, 1.0, 1e300]]}, "'joints' is not"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_json_that_is_no_pose_is_refused_with_the_field(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(PoseFileError) as refused:
        read_pose_json(edited(**fields), T2M, "a.json")
    assert f"a.json: {words}" in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", 9000 * b"["])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(PoseFileError, match=r"a\.json: (no JSON|holds no object)"):
        read_pose_json(data, T2M, "a.json")


def test_a_pose_of_the_other_skeleton_is_refused() -> None:
    with pytest.raises(PoseFileError, match="'num_joints' is 22, not that of skeleton: kit"):
        read_pose_json(pose_json(joints(), "walk", 8, T2M), KIT, "a.json")
    with pytest.raises(PoseFileError, match="'unit' is 'metres'"):
        read_pose_json(pose_json(joints(21), "walk", 8, KIT).replace(b',\n  "unit": "millimetres"', b""), KIT, "a.json")
