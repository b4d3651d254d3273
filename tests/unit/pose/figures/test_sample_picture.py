from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.pose.figures.renderer import pose_png
from scripts.pose.figures.sample_picture import make_picture
from scripts.pose.pose_files import array_npy
from scripts.shared.errors import SampleError
from scripts.shared.fingerprints import stat_source
from scripts.shared.sample_task import SampleTask
from tests.unit.pose.figures.motions import KIT, T2M, clips, kit_pose, standing


def task(dataset: Path, names: tuple[str, ...] = ("waving",), skeleton: str = "t2m") -> SampleTask:
    entry: dict[str, Any] = {"caption": "A person waving", "files": [f"poses/{name}.png" for name in names]}
    settings = {"format": 1, "skeleton": skeleton}
    return SampleTask(names[0], entry, settings, {}, dataset / "poses" / f"{names[0]}.npy", dataset / "made")


def write(dataset: Path, name: str, content: bytes) -> Path:
    path = dataset / "poses" / f"{name}.npy"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["waving", "walks_3.5_m", "walks-r2"])
def test_a_sample_is_the_picture_of_its_pose_under_its_caption(tmp_path: Path, name: str) -> None:
    source = write(tmp_path, name, array_npy(standing()))
    made = make_picture(task(tmp_path, (name,)))
    content = (tmp_path / "made" / "poses" / f"{name}.png").read_bytes()
    assert content == pose_png(standing(), T2M, "A person waving")
    assert made.source == stat_source(source)
    assert {file: size for file, (size, _) in made.files.items()} == {f"poses/{name}.png": len(content)}


def test_each_repeat_of_a_caption_has_its_own_picture(tmp_path: Path) -> None:
    write(tmp_path, "waving", array_npy(standing()))
    write(tmp_path, "waving-r2", array_npy(clips()["jump"][3]))
    made = make_picture(task(tmp_path, ("waving", "waving-r2")))
    assert list(made.files) == ["poses/waving.png", "poses/waving-r2.png"]
    second = (tmp_path / "made" / "poses" / "waving-r2.png").read_bytes()
    assert second == pose_png(clips()["jump"][3], T2M, "A person waving")


def test_kit_poses_are_drawn_too(tmp_path: Path) -> None:
    write(tmp_path, "waving", array_npy(kit_pose()))
    make_picture(task(tmp_path, skeleton="kit"))
    content = (tmp_path / "made" / "poses" / "waving.png").read_bytes()
    assert content == pose_png(kit_pose(), KIT, "A person waving")


def not_finite() -> bytes:
    joints = standing().copy()
    joints[4, 2] = np.nan
    return array_npy(joints)


BAD = {
    "of another skeleton": array_npy(kit_pose()),
    "NaN": not_finite(),
    "empty": b"",
    "no array": b"a person",
    "cut off": array_npy(standing())[:-5],
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_pose_fails_its_sample_by_name_and_writes_nothing(tmp_path: Path, name: str) -> None:
    write(tmp_path, "waving", BAD[name])
    with pytest.raises(SampleError, match=r"^bad_pose: waving\.npy: "):
        make_picture(task(tmp_path))
    assert not (tmp_path / "made").exists()


def test_a_pose_that_is_not_there_fails_its_sample_by_name(tmp_path: Path) -> None:
    write(tmp_path, "waving", array_npy(standing()))
    with pytest.raises(SampleError, match=r"^not_found: waving-r2\.npy: no such file"):
        make_picture(task(tmp_path, ("waving", "waving-r2")))
    assert not (tmp_path / "made").exists()


def test_a_pose_that_cannot_be_read_fails_its_sample_by_name(tmp_path: Path) -> None:
    (tmp_path / "poses" / "waving.npy").mkdir(parents=True)
    with pytest.raises(SampleError, match=r"^unreadable: waving\.npy: Is a directory"):
        make_picture(task(tmp_path))
