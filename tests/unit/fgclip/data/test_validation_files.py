import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from scripts.fgclip.data.records import read_records, read_test
from scripts.fgclip.data.validation_files import write_validation
from scripts.shared import layout
from scripts.shared.errors import JobError
from scripts.shared.gate import check_summary
from scripts.shared.ledger import LedgerWriter
from scripts.shared.planning.members import Members, save_members
from scripts.shared.planning.plan_file import closed
from tests.unit.fgclip.data.listed import FACTS, facts, options

LOST = {"key": "lost", "status": "failed", "error": "missing_video", "message": "no such video", "source_name": ""}
TRAIN = [
    {
        "f_path": "Abuse001_x264.mp4",
        "global_caption": "a man <hits> a dog",
        "bbox_info": [{"caption": "the man", "keyframes": [{"frame": 3, "bbox": [0.1, 0.2, 0.5, 0.9]}]}],
    },
    {"f_path": "lost.mp4", "global_caption": "x", "bbox_info": []},
]
TEST = "Normal_Videos_003_x264  Normal  -1  -1  -1  -1\n"


class Dataset:
    """Lists, and what a job found in their videos."""

    def __init__(self, folder: Path, train: Any = TRAIN, test: str = TEST) -> None:
        self.dir, self.plan = folder / "out", folder / "plan.json"
        self.train, self.test, self.boxes = folder / "train.json", folder / "test.txt", folder / "boxes.json"
        self.train.write_text(json.dumps(train))
        self.test.write_text(test)
        keys = ["Abuse001_x264", "Normal_Videos_003_x264", "lost"]
        save_members(layout.members_file(self.dir), Members(dict.fromkeys(keys, 0), unsaved=keys))
        writer = LedgerWriter(layout.ledger_dir(self.dir, "videos"), "00000", {})
        for key, of in zip(keys, (FACTS, facts(source="n.mp4")), strict=False):
            writer.append({"key": key, "status": "ok", "files": {f"videos/{key}.json": [1, ""]}, "facts": asdict(of)})
        writer.append(LOST)
        writer.close()
        head = {"digest": "", "serial": "", "dataset_dir": str(self.dir), "stage": "videos",
                "settings": {}, "shards": ["00000"]}  # fmt: skip
        text = json.dumps(head)[:-1] + ', "keys": [\n' + ",\n".join(map(json.dumps, keys)) + "\n"
        self.plan.write_bytes(closed(text.encode()))

    def write(self) -> dict[str, Path]:
        names = ("records.json", "test.json", "validation.json", "validation.html", "failures.csv", "summary.json")
        outputs = dict(
            zip(
                ("records", "test", "validation", "page", "failures", "summary"),
                map(self.dir.joinpath, names),
                strict=True,
            )
        )
        write_validation(
            self.plan,
            lists=[self.train],
            test=self.test,
            test_boxes=self.boxes if self.boxes.exists() else None,
            options=options(),
            outputs=outputs,
            title="fgclip x",
        )
        return outputs


def test_what_can_be_used_and_what_not_is_written(tmp_path: Path) -> None:
    outputs = Dataset(tmp_path).write()
    assert [item.name for item in read_records(outputs["records"]).items] == ["Abuse001_x264"]
    assert [video.key for video in read_test(outputs["test"]).videos] == ["Normal_Videos_003_x264"]
    with outputs["failures"].open() as file:
        assert list(csv.DictReader(file)) == [
            {
                "key": "lost",
                "source": "lost.mp4",
                "error": "missing_video",
                "message": f"{tmp_path}/train.json: item 1: no such video",
            }
        ]
    report = json.loads(outputs["validation"].read_text())
    assert [error["error"] for error in report["errors"]] == ["missing_video"]
    assert sorted(warning["error"] for warning in report["warnings"]) == ["one_kind", "single_keyframe"]
    assert report["test"] == {"listed": 1, "usable": 1, "missing": [], "clipped": []}


def test_the_gate_reads_the_summary(tmp_path: Path) -> None:
    outputs = Dataset(tmp_path).write()
    check_summary(outputs["summary"], tmp_path / "mark.json", max_failed_fraction=0.05)
    assert json.loads((tmp_path / "mark.json").read_text()) == {"ok": 2, "failed": 1}


def test_the_page_shows_errors_and_takes_captions_for_text(tmp_path: Path) -> None:
    train = [*TRAIN, {"f_path": "<script>alert(1)</script>", "global_caption": "x", "bbox_info": []}]
    page = Dataset(tmp_path, train).write()["page"].read_text()
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert all(words in page for words in ("missing_video", "bad_name", "1 of 1 test videos can be used"))
    assert "http" not in page


def test_equal_lists_and_videos_give_equal_files(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    first = {name: path.read_bytes() for name, path in dataset.write().items()}
    assert {name: path.read_bytes() for name, path in dataset.write().items()} == first


def test_boxes_of_test_videos_are_read(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    boxes = [{"frame": 3, "bbox": [0, 0, 1, 1]}]
    dataset.boxes.write_text(
        json.dumps([{"video": "Normal_Videos_003_x264", "region_captions": [None], "box_infos": [boxes]}])
    )
    assert list(read_test(dataset.write()["test"]).boxes) == ["Normal_Videos_003_x264"]


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (
            TRAIN,
            "Abuse001_x264.mp4  Abuse  1  2  -1  -1\n",
            "1 of its test videos are in the training list too: Abuse001",
        ),
        ([{"image": 1}], TEST, r"train\.json: not a list of objects with f_path"),
        (TRAIN, "Abuse001_x264.mp4  Abuse  1  2  -1\n", r"test\.txt: line 1: .*5 fields"),
    ],
)
def test_a_leak_or_a_list_of_another_format_ends_the_job(tmp_path: Path, train: Any, test: str, words: str) -> None:
    """Defect D12 of the guide's program: it never looked for training videos in the test list."""
    dataset = Dataset(tmp_path, train, test)
    with pytest.raises(JobError, match=words):
        dataset.write()
    assert not (dataset.dir / "records.json").exists()
