from pathlib import Path

import pytest

from scripts.fgclip.data.lookup import VideoIndex, key_of
from scripts.shared.errors import PlanningError, SampleError

UNPACKED = "UCF_Crimes_Videos/UCF_Crimes/Videos"


def put(root: Path, name: str, content: bytes = b"video") -> str:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def refused(root: Path, name: str) -> tuple[str, str]:
    with pytest.raises(SampleError) as caught:
        VideoIndex(root).find(name)
    return caught.value.error, caught.value.message


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a/b/Abuse001_x264.mp4", "Abuse001_x264"),
        ("Abuse001_x264", "Abuse001_x264"),
        ("clip.v2.MP4", "clip.v2"),
        ("a.b", "a.b"),
    ],
)
def test_the_key_is_the_base_name_without_a_video_suffix(name: str, key: str) -> None:
    assert key_of(name) == key


def test_the_path_itself_comes_first(tmp_path: Path) -> None:
    listed = put(tmp_path, "mine/Abuse001_x264.mp4")
    put(tmp_path, f"{UNPACKED}/Abuse/Abuse001_x264.mp4", b"another")
    assert VideoIndex(tmp_path).find(listed) == listed


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("UCF_Crimes_Videos/Abuse001_x264.mp4", "Abuse/Abuse001_x264.mp4"),
        ("Abuse001_x264.mp4", "Abuse/Abuse001_x264.mp4"),
        ("Videos/Special/Abuse001_x264.mp4", "Special/Abuse001_x264.mp4"),
        ("UCF_Crimes_Videos/Normal_Videos001_x264.mp4", "Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4"),
        ("Normal_Videos_003_x264.mp4", "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4"),
        ("Normal_Videos_003_x264.mp4", "Normal_Videos_event/Normal_Videos_003_x264.mp4"),
    ],
)
def test_the_folders_of_the_archives_come_second(tmp_path: Path, name: str, place: str) -> None:
    """Defect D7 of the guide's program: it took the class from the listed path's folder, also where there is none."""
    put(tmp_path, f"{UNPACKED}/{place}")
    put(tmp_path, f"elsewhere/{name.rpartition('/')[2]}", b"another")
    assert VideoIndex(tmp_path).find(name) == f"{UNPACKED}/{place}"


def test_any_file_of_the_base_name_comes_last_with_or_without_suffix(tmp_path: Path) -> None:
    there = put(tmp_path, "part 1/deep/Arson011_x264.mp4")
    index = VideoIndex(tmp_path)
    assert [index.find(name) for name in ("Arson011_x264", "gone/Arson011_x264.mp4", "Arson011_x264.avi")] == [
        there
    ] * 3


def test_a_link_out_of_the_folder_is_followed(tmp_path: Path) -> None:
    put(tmp_path, "disk/Arson011_x264.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/more").symlink_to(tmp_path / "disk")
    assert VideoIndex(tmp_path / "root").find("Arson011_x264") == "more/Arson011_x264.mp4"


def test_two_different_videos_of_one_name_are_both_named(tmp_path: Path) -> None:
    put(tmp_path, "a/Abuse001.mp4", b"one..")
    put(tmp_path, "b/Abuse001.mp4", b"other")
    error, message = refused(tmp_path, "Abuse001")
    assert (error, "a/Abuse001.mp4 and b/Abuse001.mp4" in message) == ("two_videos", True)
    assert VideoIndex(tmp_path).find("b/Abuse001.mp4") == "b/Abuse001.mp4"


def test_copies_of_one_video_are_one(tmp_path: Path) -> None:
    put(tmp_path, "a/Normal1.mp4", b"same")
    put(tmp_path, "b/Normal1.mp4", b"same")
    assert VideoIndex(tmp_path).find("Normal1.mp4") == "a/Normal1.mp4"


def test_a_missing_video_is_told_with_the_folder(tmp_path: Path) -> None:
    error, message = refused(tmp_path, "x/Abuse001.mp4")
    assert (error, str(tmp_path) in message) == ("missing_video", True)


@pytest.mark.parametrize("name", ["../x/a.mp4", "/etc/a.mp4", "a/../a.mp4", "c:\\a.mp4", "x\0/a.mp4"])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a.mp4")
    assert refused(tmp_path, name)[0] == "bad_path"


@pytest.mark.parametrize("name", ["", "a b.mp4", "盗窃.mp4", "..", ".hidden.mp4", "a\n.mp4", f"{'x' * 201}.mp4"])
def test_a_name_that_may_name_no_file_is_refused(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path, name)[0] == "bad_name"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanningError, match=r"absent: No such file.*is videos right, and mounted"):
        VideoIndex(tmp_path / "absent").find("a.mp4")


@pytest.mark.parametrize("folder", ["d" * 300, "d/" * 2500 + "d"])
def test_a_path_that_is_too_long_for_the_disk_is_looked_for_by_its_base_name(tmp_path: Path, folder: str) -> None:
    assert refused(tmp_path, f"{folder}/Abuse001_x264.mp4")[0] == "missing_video"
    there = put(tmp_path, "Abuse001_x264.mp4")
    assert VideoIndex(tmp_path).find(f"{folder}/{there}") == there


def test_a_link_to_a_video_is_that_video_and_another_size_another_one(tmp_path: Path) -> None:
    put(tmp_path, "a/Abuse001.mp4", b"one")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/Abuse001.mp4").symlink_to(tmp_path / "a/Abuse001.mp4")
    assert VideoIndex(tmp_path).find("Abuse001.mp4") == "a/Abuse001.mp4"
    put(tmp_path, "c/Abuse001.mp4", b"one and more")
    assert refused(tmp_path, "Abuse001.mp4")[0] == "two_videos"
