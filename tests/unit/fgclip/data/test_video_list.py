import json
from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip.data.video_list import VideoList
from scripts.shared.errors import PlanningError


def dataset(folder: Path, train: list[str], test: list[str], *there: str) -> dict[str, Any]:
    (folder / "videos").mkdir()
    for name in there:
        (folder / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "videos" / name).write_bytes(name.encode())
    items = [{"f_path": name, "global_caption": "x", "bbox_info": []} for name in train]
    (folder / "train.json").write_text(json.dumps(items))
    (folder / "test.txt").write_text("".join(f"{name}  Normal  -1  -1  -1  -1\n" for name in test))
    return {"videos": str(folder / "videos"), "train": str(folder / "train.json"), "test": str(folder / "test.txt")}


def listed(options: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(entry.key, entry.source, json.loads(entry.entry)) for entry in VideoList(options).entries()]


def test_each_video_is_listed_once_training_videos_first(tmp_path: Path) -> None:
    options = dataset(tmp_path, ["b.mp4", "x/a.mp4", "b.mp4"], ["c"], "b.mp4", "x/a.mp4", "deep/c.mp4")
    assert listed(options) == [
        ("b", "b.mp4", {"source": "b.mp4", "files": ["videos/b.json"], "roles": ["train"]}),
        ("a", "x/a.mp4", {"source": "x/a.mp4", "files": ["videos/a.json"], "roles": ["train"]}),
        ("c", "deep/c.mp4", {"source": "deep/c.mp4", "files": ["videos/c.json"], "roles": ["test"]}),
    ]


def test_a_video_that_cannot_be_had_carries_its_error(tmp_path: Path) -> None:
    options = dataset(tmp_path, ["gone.mp4", "../b.mp4", "a b.mp4", "ok.mp4"], ["lost"], "ok.mp4")
    entries = listed(options)
    assert [(key, source, entry.get("error", [""])[0]) for key, source, entry in entries] == [
        ("gone", "", "missing_video"),
        ("b", "", "bad_path"),
        ("a?b.mp4 (no key)", "", "bad_name"),
        ("ok", "ok.mp4", ""),
        ("lost", "", "missing_video"),
    ]
    assert "files" not in entries[0][2]


def test_two_files_of_one_key_are_an_error_that_names_both(tmp_path: Path) -> None:
    ((key, source, entry), _) = listed(dataset(tmp_path, ["x/a.mp4", "y/a.mp4"], ["t"], "x/a.mp4", "y/a.mp4", "t.mp4"))
    assert (key, source, entry["error"][0]) == ("a", "", "two_videos")
    assert "x/a.mp4 and y/a.mp4" in entry["error"][1]


def test_a_training_video_in_the_test_annotation_stops_the_plan(tmp_path: Path) -> None:
    """Defect D12 of the guide's program: nothing looked whether training videos are tested on."""
    options = dataset(tmp_path, ["x/a.mp4", "b.mp4"], ["c", "a"], "x/a.mp4", "b.mp4", "c.mp4")
    with pytest.raises(PlanningError, match=r"test\.txt: 1 of its test videos are in the training list too: a;"):
        listed(options)


def test_an_item_without_a_video_is_left_to_the_validator(tmp_path: Path) -> None:
    options = dataset(tmp_path, ["a.mp4"], ["t"], "a.mp4", "t.mp4")
    items = json.loads(Path(options["train"]).read_text())
    Path(options["train"]).write_text(json.dumps([{"f_path": None, "bbox_info": []}, 7, *items]))
    assert [key for key, _, _ in listed(options)] == ["a", "t"]
