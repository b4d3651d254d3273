import json
from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip.data.shapes import ListedItem, read_items
from scripts.shared.errors import PlanningError

BOXES = [
    {"frame": 12, "bbox": [0.1, 0.2, 0.5, 0.9], "enabled": True},
    {"frame": 40, "bbox": [0.3, 0.2, 0.6, 0.9], "enabled": False},
]
SHAPE_A: list[Any] = [
    {
        "f_path": "Abuse001_x264.mp4",
        "global_caption": "a man hits a dog",
        "bbox_info": [{"caption": "the man", "keyframes": BOXES}, {"caption": "the dog", "keyframes": []}],
    },
    {"f_path": "Normal_Videos001_x264.mp4", "global_caption": "an empty hall", "bbox_info": [{"caption": "a door"}]},
]
SHAPE_B: list[Any] = [
    {
        "video": "Abuse001_x264.mp4",
        "global_caption": "a man hits a dog",
        "region_captions": ["the man", "the dog"],
        "box_infos": [BOXES, []],
        "timestamps": None,
    },
    {
        "video": "Normal_Videos001_x264.mp4",
        "global_caption": "an empty hall",
        "region_captions": ["a door"],
        "box_infos": [],
    },
]
SHAPE_C: dict[str, Any] = {
    "Abuse001_x264.mp4": {
        "global": {"Caption": "a man hits a dog"},
        "region": [{"Caption": "the man", "keyframes": BOXES}, {"caption": "the dog"}],
    },
    "Normal_Videos001_x264.mp4": {"global": {"caption": "an empty hall"}, "region": [{"caption": "a door"}]},
}


def written(folder: Path, content: object, name: str = "train.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def values(items: list[ListedItem]) -> list[tuple[Any, ...]]:
    return [(item.position, item.video, item.caption, item.span_s, item.regions, item.wrong) for item in items]


@pytest.mark.parametrize("content", [SHAPE_B, SHAPE_C])
def test_the_three_shapes_give_the_same_items(tmp_path: Path, content: object) -> None:
    """Defects D6, D7 of the guide's program: the legacy shape C crashed, and so did a bare name in any."""
    expected = read_items(written(tmp_path, SHAPE_A, "a.json"))
    assert values(read_items(written(tmp_path, content))) == values(expected)
    assert [region.caption for region in expected[0].regions] == ["the man", "the dog"]
    assert expected[0].regions[0].keyframes == tuple(BOXES)
    assert expected[1].place == f"{tmp_path}/a.json: item 1"


def test_enabled_is_read_in_the_second_shape(tmp_path: Path) -> None:
    """Defect D2 of the guide's program: it took every keyframe of shape B for enabled."""
    (first, _) = read_items(written(tmp_path, SHAPE_B))
    assert [keyframe["enabled"] for keyframe in first.regions[0].keyframes] == [True, False]


def test_a_span_and_the_frames_of_a_region_are_read(tmp_path: Path) -> None:
    region = {"caption": "c", "start_frame": 3, "end_frame": 9, "keyframes": BOXES}
    (a,) = read_items(written(tmp_path, [{"f_path": "a", "global_caption": "g", "bbox_info": [region]}]))
    assert (a.regions[0].start, a.regions[0].end) == (3, 9)
    (b,) = read_items(written(tmp_path, [{"video": "a", "region_captions": ["c"], "timestamps": [1.5, 4]}]))
    assert b.span_s == [1.5, 4]


def test_a_text_file_and_a_folder_name_several_lists(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    written(folder, SHAPE_C, "2.json")
    written(folder, SHAPE_A, "1.json")
    written(folder, "\ufefflists/2.json\n\n  lists/1.json\n", "../all.txt")
    assert [item.file.name for item in read_items(folder)] == ["1.json", "1.json", "2.json", "2.json"]
    assert [item.file.name for item in read_items(tmp_path / "all.txt")] == ["2.json", "2.json", "1.json", "1.json"]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("Abuse001", "is a text, not an object"),
        ({"name": "a"}, r"has neither f_path and bbox_info nor video and region_captions, but 'name'"),
        ({"f_path": "a", "bbox_info": "x"}, "has a text as bbox_info, not a list"),
        ({"video": "a", "region_captions": {}}, "has an object as region_captions, not a list"),
        ({"video": "a", "region_captions": ["x"], "box_infos": [[], []]}, "has 1 region_captions and 2 box_infos"),
    ],
)
def test_an_item_that_cannot_be_read_says_why_and_leaves_the_others(tmp_path: Path, item: object, words: str) -> None:
    broken, sound = read_items(written(tmp_path, [item, SHAPE_A[1]]))
    assert words in broken.wrong
    assert sound.wrong == ""


def test_a_video_that_an_object_names_twice_is_seen_twice(tmp_path: Path) -> None:
    member = json.dumps({"global": {"caption": "x"}, "region": []})
    items = read_items(written(tmp_path, f'{{"a.mp4": {member}, "a.mp4": {member}}}'))
    assert [(item.position, item.video) for item in items] == [(0, "a.mp4"), (1, "a.mp4")]


def test_the_format_for_images_is_refused_in_words(tmp_path: Path) -> None:
    boxes = [{"bbox": [0, 0, 1, 1], "short_expr": "a man", "long_expr": "a tall man", "flag_short_neg": 0}]
    path = written(tmp_path, [{"f_path": "1.jpg", "caption": "x", "short_caption": "y", "bbox_info": boxes}])
    with pytest.raises(PlanningError, match=r"FG-CLIP's format for images \(a box has bbox, short_expr.*keyframes"):
        read_items(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[1,\n 2", "no JSON at line 2"),
        ("[]", "it holds no item"),
        ("{}", "it holds no item"),
        ("3", "a number, not a list of objects"),
        ("null", r"nothing \(null\), not a list of objects"),
        ('[{"image": "a.jpg"}]', "item 0 has neither f_path"),
        ('{"a": 1}', r"item 0 \('a'\) is no object with global and region"),
        ('{"f_path": "a", "bbox_info": []}', "an object, not a list"),
        ("[" * 100_000, "no JSON that can be read"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(PlanningError, match=rf"train\.json: .*{words}"):
        read_items(written(tmp_path, content))


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin.json").write_bytes(b'["caf\xe9"]')
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9.json")
    for name, words in {
        "absent.json": "No such file",
        "absent.txt": "No such file",
        "empty": "no JSON file",
        "latin.json": "not UTF-8",
        "latin.txt": "not UTF-8",
    }.items():
        with pytest.raises(PlanningError, match=f"{name}: .*{words}"):
            read_items(tmp_path / name)


def test_a_region_that_is_no_object_is_left_to_the_check_of_captions(tmp_path: Path) -> None:
    (found,) = read_items(written(tmp_path, [{"f_path": "a.mp4", "bbox_info": [None]}]))
    assert (found.wrong, found.regions[0].caption, found.regions[0].keyframes) == ("", None, ())
