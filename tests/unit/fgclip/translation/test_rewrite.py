"""Lists rewritten in English, in each of their shapes."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip.data.shapes import ListedItem, read_items
from scripts.fgclip.translation.find import read_members
from scripts.fgclip.translation.rewrite import OnMissing, translate_lists
from scripts.shared.errors import ConfigError, PlanningError

ZH, ZH_REGION = "盗窃异常:有人偷手机", "偷手机的人"
EN, EN_REGION = "Stealing: somebody steals a phone", "somebody who steals a phone"
TABLE = f"盗窃异常:\tStealing:\n有人偷手机\tsomebody steals a phone\n{ZH_REGION}\t{EN_REGION}\n"
KEYS = [{"frame": 3, "bbox": [0.1, 0.2, 0.3, 0.4], "enabled": True}]
SHAPE_A = [
    {
        "f_path": "Stealing001_x264.mp4",
        "global_caption": ZH,
        "bbox_info": [{"caption": ZH_REGION, "keyframes": KEYS}, {"caption": "a bag", "keyframes": []}],
        "note": "kept",
    }
]
SHAPE_B = [
    {
        "video": "Stealing001_x264.mp4",
        "global_caption": ZH,
        "region_captions": [ZH_REGION, "a bag"],
        "box_infos": [KEYS, []],
        "timestamps": None,
    }
]
SHAPE_C = {
    "Stealing001_x264.mp4": {
        "global": {"Caption": ZH},
        "region": [{"Caption": ZH_REGION, "keyframes": KEYS}, {"caption": "a bag"}],
    }
}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def translate(
    tmp_path: Path, *contents: Any, table: str = TABLE, on_missing: OnMissing = "stop"
) -> tuple[list[Any], dict[str, Any]]:
    """The members that were written, and the report."""
    (tmp_path / "translations.tsv").write_text(table, encoding="utf-8")
    lists = [write(tmp_path / f"{number}.json", content) for number, content in enumerate(contents)]
    translated, report = tmp_path / "translated.json", tmp_path / "report.json"
    translate_lists(
        lists,
        tmp_path / "translations.tsv",
        translated=translated,
        report=report,
        todo=tmp_path / "todo.tsv",
        on_missing=on_missing,
    )
    return json.loads(translated.read_text("utf-8")), json.loads(report.read_text("utf-8"))


def said(item: ListedItem) -> tuple[Any, ...]:
    return item.video, item.caption, item.span_s, [(of.caption, of.keyframes) for of in item.regions]


@pytest.mark.parametrize("content", [SHAPE_A, SHAPE_B, SHAPE_C], ids=["A", "B", "C"])
def test_captions_of_videos_and_regions_are_english_in_every_shape(tmp_path: Path, content: Any) -> None:
    """The guide's program knew shape B alone, and left the region captions of its own list Chinese."""
    translate(tmp_path, content)
    (item,) = read_items(tmp_path / "translated.json")
    assert said(item) == ("Stealing001_x264.mp4", EN, None, [(EN_REGION, tuple(KEYS)), ("a bag", ())])


def test_the_chinese_stays_beside_the_english(tmp_path: Path) -> None:
    (a, b, c), _ = translate(tmp_path, SHAPE_A, SHAPE_B, SHAPE_C)
    assert a["global_caption_zh"] == b["global_caption_zh"] == c["global_caption_zh"] == ZH
    assert a["bbox_info"][0]["caption_zh"] == c["bbox_info"][0]["Caption_zh"] == ZH_REGION
    assert b["region_captions_zh"] == [ZH_REGION, "a bag"]
    assert "caption_zh" not in a["bbox_info"][1]


def test_other_fields_stay_as_they_are(tmp_path: Path) -> None:
    (member,), _ = translate(tmp_path, SHAPE_A)
    assert member["note"] == "kept"


def test_a_list_in_english_stays_as_it_is(tmp_path: Path) -> None:
    english = [SHAPE_A[0] | {"global_caption": "a man", "bbox_info": []}]
    members, report = translate(tmp_path, english)
    assert members == english
    assert report["chinese"] == {"items": 0, "regions": 0}


def test_the_report_counts_and_names_the_tables_version(tmp_path: Path) -> None:
    _, report = translate(tmp_path, SHAPE_A, SHAPE_B)
    assert report["captions"] == {"items": 2, "regions": 4}
    assert report["chinese"] == {"items": 2, "regions": 2}
    assert report["without_translation"] == {"items": 0, "regions": 0}
    assert (report["table"]["rows"], len(report["table"]["version"])) == (3, 12)


def test_what_the_table_lacks_stops_and_is_left_to_be_done(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"translations\.tsv: 1 texts have no translation, such as '偷手机的人'"):
        translate(tmp_path, SHAPE_A, SHAPE_B, table="".join(TABLE.splitlines(keepends=True)[:2]))
    assert (tmp_path / "todo.tsv").read_text("utf-8") == f"{ZH_REGION}\t\n"
    assert not (tmp_path / "translated.json").exists()


def test_a_todo_whose_gaps_were_filled_is_the_table_that_was_lacking(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="3 texts have no translation"):
        translate(tmp_path, SHAPE_A, table="")
    english = {line.split("\t")[0]: line.split("\t")[1] for line in TABLE.splitlines()}
    todo = (tmp_path / "todo.tsv").read_text("utf-8").splitlines()
    filled = "".join(f"{line}{english[line.rstrip()]}\n" for line in todo)
    translate(tmp_path, SHAPE_A, table=filled)
    assert not (tmp_path / "todo.tsv").exists()


def test_what_is_kept_stays_chinese(tmp_path: Path) -> None:
    (member,), report = translate(tmp_path, SHAPE_B, table="", on_missing="keep")
    assert member == SHAPE_B[0]
    assert report["without_translation"] == {"items": 1, "regions": 1}


@pytest.mark.parametrize(("content", "captions"), [(SHAPE_A, "bbox_info"), (SHAPE_B, "region_captions")])
def test_a_region_without_translation_is_dropped_with_its_boxes(tmp_path: Path, content: Any, captions: str) -> None:
    lines = TABLE.splitlines(keepends=True)
    (member,), report = translate(tmp_path, content, table="".join(lines[:2]), on_missing="drop")
    assert len(member[captions]) == 1
    (item,) = read_items(tmp_path / "translated.json")
    assert said(item) == ("Stealing001_x264.mp4", EN, None, [("a bag", ())])
    assert report["items_dropped"] == 0


def test_an_item_without_translation_is_dropped_and_counted(tmp_path: Path) -> None:
    english = [SHAPE_A[0] | {"f_path": "b.mp4", "global_caption": "a man"}]
    members, report = translate(tmp_path, SHAPE_A, english, table=TABLE.splitlines()[2], on_missing="drop")
    assert [member["f_path"] for member in members] == ["b.mp4"]
    assert (report["items"], report["items_dropped"]) == (2, 1)


def test_what_is_no_item_is_left_to_the_validator(tmp_path: Path) -> None:
    odd = [3, {"f_path": "b.mp4", "global_caption": None, "bbox_info": [7, {"caption": 5}]}]
    assert translate(tmp_path, odd)[0] == odd
    assert translate(tmp_path, {"b.mp4": 4})[0] == [{"f_path": "b.mp4", "bbox_info": 4}]


def test_a_video_that_stands_twice_in_an_object_is_refused(tmp_path: Path) -> None:
    """A dict would keep the later one alone, in silence."""
    (tmp_path / "c.json").write_text('{"a.mp4": {"global": {}}, "a.mp4": {"global": {}}}', encoding="utf-8")
    (tmp_path / "translations.tsv").write_text(TABLE, encoding="utf-8")
    with pytest.raises(PlanningError, match=r"c\.json.*'a\.mp4' is there twice in one object; keep one of them"):
        translate_lists(
            [tmp_path / "c.json"],
            tmp_path / "translations.tsv",
            translated=tmp_path / "t.json",
            report=None,
            todo=tmp_path / "todo.tsv",
            on_missing="stop",
        )


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    translate(tmp_path, SHAPE_A, SHAPE_C)
    before = (tmp_path / "translated.json").read_bytes()
    translate(tmp_path, SHAPE_A, SHAPE_C)
    assert (tmp_path / "translated.json").read_bytes() == before


def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("3")
    with pytest.raises(PlanningError, match=r"x\.json: neither a list of objects nor an object of videos"):
        read_members(tmp_path / "x.json")
