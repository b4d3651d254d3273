import json
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.fgclip.data.records import (
    Item,
    Key,
    LabelledVideo,
    Records,
    Region,
    TestSet,
    Video,
    read_records,
    read_test,
)
from scripts.shared.atomic_files import write_json
from scripts.shared.errors import JobError

REGION = Region("a man", 3, 9, (Key(3, 0.1, 0.2, 0.5, 0.9, True), Key(9, 0.1, 0.2, 0.5, 1.0, False)))
RECORDS = Records(
    {"Abuse001": Video(Path("/mnt/Abuse001.mp4"), 300, 29.97, 320, 240, "ab12")},
    (Item("Abuse001", "Abuse001", "Abuse", True, "a man hits a dog", (0, 300), (REGION, Region("", None, None, ()))),),
)
TEST = TestSet(
    3,
    (LabelledVideo("Arson011", Path("x/Arson011.mp4"), "Arson", 1000, 30.0, ((150, 420),)),),
    ("gone", "lost"),
    ({"key": "Arson011", "interval": [680, 1267], "n_frames": 1000},),
    {"Arson011": (REGION,)},
)


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_json(tmp_path / "records.json", RECORDS.as_json())
    assert read_records(tmp_path / "records.json") == RECORDS
    assert json.loads((tmp_path / "records.json").read_text())["digest"] == RECORDS.digest


def test_a_test_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_json(tmp_path / "test.json", TEST.as_json())
    assert read_test(tmp_path / "test.json") == TEST


def test_the_digest_is_of_the_content_and_not_of_the_place() -> None:
    (item,), (video,) = RECORDS.items, RECORDS.videos.values()
    moved = replace(RECORDS, videos={"Abuse001": replace(video, path=Path("elsewhere.mp4"))})
    assert moved.digest == RECORDS.digest
    assert replace(RECORDS, items=(replace(item, caption="another"),)).digest != RECORDS.digest
    for another in (replace(video, n_frames=299), replace(video, digest="of another video in its place")):
        assert replace(RECORDS, videos={"Abuse001": another}).digest != RECORDS.digest


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"format": 1}', '{"format": 1, "videos": {"a": {}}, "items": []}']
)
def test_a_damaged_file_is_named_with_the_mend(tmp_path: Path, content: str) -> None:
    (tmp_path / "records.json").write_text(content)
    with pytest.raises(JobError, match=r"records\.json: it cannot be read: .*fgclip_validate makes it again"):
        read_records(tmp_path / "records.json")
    with pytest.raises(JobError, match="cannot be read"):
        read_test(tmp_path / "absent.json")


def test_another_format_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "test.json", {**TEST.as_json(), "format": 2})
    with pytest.raises(JobError, match=r"test\.json: it is of format 2, not 1"):
        read_test(tmp_path / "test.json")
