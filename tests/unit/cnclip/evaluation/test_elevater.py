from pathlib import Path

import pytest

from scripts.cnclip.evaluation.elevater import read_elevater
from scripts.shared.errors import ConfigError


def make(root: Path, classes: int, *, width: int = 1, pictures: int = 2) -> Path:
    root.mkdir(exist_ok=True)
    (root / "label_cn.txt").write_text("".join(f"类{number}\n" for number in range(classes)), encoding="utf-8")
    for number in range(classes):
        folder = root / "test" / f"{number:0{width}d}"
        folder.mkdir(parents=True)
        for picture in range(pictures):
            (folder / f"{picture}.jpg").write_bytes(b"")
    return root


def test_pictures_come_by_class_and_then_by_name(tmp_path: Path) -> None:
    found = read_elevater(make(tmp_path, 3))
    assert found.labels == ["类0", "类1", "类2"]
    assert found.targets == [0, 0, 1, 1, 2, 2]
    assert [path.relative_to(tmp_path).as_posix() for path in found.paths[:3]] == [
        "test/0/0.jpg",
        "test/0/1.jpg",
        "test/1/0.jpg",
    ]


def test_eleven_classes_have_three_digits(tmp_path: Path) -> None:
    assert read_elevater(make(tmp_path / "good", 11, width=3)).targets[-1] == 10
    with pytest.raises(ConfigError, match="the folders are 000 to 010; 0, 000, 001"):
        read_elevater(make(tmp_path / "bad", 11))


def test_an_index_says_which_picture_stands_where(tmp_path: Path) -> None:
    make(tmp_path, 2)
    (tmp_path / "index.json").write_text("[3, 0, 1, 2]")
    assert read_elevater(tmp_path).targets == [1, 0, 0, 1]
    (tmp_path / "index.json").write_text("[3, 0, 1, 1]")
    with pytest.raises(ConfigError, match=r"index.json: not a list of the numbers 0 to 3"):
        read_elevater(tmp_path)


def test_a_class_without_folder_is_named(tmp_path: Path) -> None:
    make(tmp_path, 3)
    (tmp_path / "label_cn.txt").write_text("a\nb\nc\nd\n")
    with pytest.raises(ConfigError, match="names 4 classes, so the folders are 0 to 3; 3 is missing"):
        read_elevater(tmp_path)


def test_labels_that_do_not_count_alike_are_refused(tmp_path: Path) -> None:
    make(tmp_path, 3)
    (tmp_path / "label.txt").write_text("cat\ndog\n")
    with pytest.raises(ConfigError, match=r"label_cn.txt names 3 classes and label.txt 2"):
        read_elevater(tmp_path)


def test_an_empty_line_among_the_labels_is_refused(tmp_path: Path) -> None:
    make(tmp_path, 3)
    (tmp_path / "label_cn.txt").write_text("a\n\nc\n")
    with pytest.raises(ConfigError, match="line 2 is empty"):
        read_elevater(tmp_path)


def test_a_set_without_pictures_or_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no pictures"):
        read_elevater(make(tmp_path / "a", 2, pictures=0))
    with pytest.raises(ConfigError, match=r"label_cn.txt: No such file"):
        read_elevater(tmp_path / "b")
