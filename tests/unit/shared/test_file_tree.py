from pathlib import Path

import pytest

from scripts.shared.errors import PlanningError
from scripts.shared.file_tree import find_files


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def found(folder: Path) -> list[str]:
    return sorted(find_files(folder, {".wav", ".mp4"}, option="input_dir"))


def test_files_of_the_kinds_are_found_at_any_depth_whatever_the_case(tmp_path: Path) -> None:
    assert found(tree(tmp_path, "a.wav", "x/y/b.MP4", "x/c.txt", "wav")) == ["a.wav", "x/y/b.MP4"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    assert found(tree(tmp_path, "a.wav", "._a.wav", ".trash/b.wav")) == ["a.wav"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    tree(tmp_path / "elsewhere", "b.wav")
    tree(tmp_path / "in", "a.wav")
    (tmp_path / "in/more").symlink_to(tmp_path / "elsewhere")
    assert found(tmp_path / "in") == ["a.wav", "more/b.wav"]
    (tmp_path / "in/me").symlink_to(tmp_path / "in")
    with pytest.raises(PlanningError, match="a link to a folder that it lies in"):
        found(tmp_path / "in")


def test_a_link_that_leads_nowhere_is_a_file_by_its_name(tmp_path: Path) -> None:
    for name, target in {"gone.wav": "nowhere", "self.wav": "self.wav", "circle": "circle"}.items():
        (tmp_path / name).symlink_to(target)
    assert found(tmp_path) == ["gone.wav", "self.wav"]


def test_a_folder_that_cannot_be_read_is_named_with_its_option(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("absent", "file"):
        with pytest.raises(PlanningError, match=rf"{name}: No.* directory; is input_dir right, and mounted"):
            found(tmp_path / name)
