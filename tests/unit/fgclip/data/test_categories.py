import pytest

from scripts.fgclip.data.categories import CLASSES, category_of


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("Abuse001_x264.mp4", "Abuse"),
        ("RoadAccidents116_x264", "RoadAccidents"),
        ("Normal_Videos_003_x264", "Normal"),
        ("Normal_Videos015_x264.mp4", "Normal"),
        ("normal2.mp4", "Normal"),
        ("tree_01.mp4", "tree"),
        ("017.mp4", "Unknown"),
    ],
)
def test_the_letters_of_a_name_are_its_class(name: str, category: str) -> None:
    assert category_of(name) == category


def test_there_are_the_thirteen_classes_of_the_data_set() -> None:
    assert len(CLASSES) == len(set(CLASSES)) == 13
    assert all(category_of(f"{name}001_x264.mp4") == name for name in CLASSES)
