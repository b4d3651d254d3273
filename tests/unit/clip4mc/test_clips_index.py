import json
from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc.clips_index import write_clips_index
from scripts.clip4mc.metadata import MetadataList
from scripts.clip4mc.pairs import read_pairs
from scripts.shared import layout
from scripts.shared.errors import JobError
from scripts.shared.ledger import LedgerWriter
from scripts.shared.planning.plan_file import closed

ROWS = [
    {"vid": "b", "begin position": 0, "end position": 1, "transcript clip": "one", "size": [0.5]},
    {"vid": "a", "begin position": 0, "end position": 1, "transcript": ["two", "words"], "index": 7},
    {"vid": "a", "begin position": 5, "end position": 4, "transcript": "three"},
]
KEYS = ["sample_000000_b", "sample_000007_a", "sample_000002_a"]


def row(key: str, **fields: Any) -> dict[str, Any]:
    made = {"status": "ok", "files": {"clip.mp4": [10, "x"]}, "facts": {"copied": True}}
    return {"key": key, **made, **fields}


FAILED = row(KEYS[2], status="failed", error="bad_interval", message="why", source_name="a.mp4")


def write(tmp_path: Path, rows: list[dict[str, Any]], root: str = "") -> dict[str, Any]:
    (tmp_path / "metadata.json").write_text(json.dumps(ROWS))
    (tmp_path / "info.csv").write_text("url,filename\na,a.mp4\nb,b.mp4\n")
    writer = LedgerWriter(layout.ledger_dir(tmp_path, "clips"), "00000", {})
    for one in rows:
        writer.append(one)
    writer.close()
    head = {"dataset_dir": str(tmp_path), "stage": "clips", "settings": {"root": root}, "shards": ["00000"]}
    keys = json.dumps([one["key"] for one in rows])[1:-1]
    (tmp_path / "plan.json").write_bytes(closed(f'{json.dumps(head)[:-1]}, "keys": [\n{keys}\n'.encode()))
    listed = MetadataList(tmp_path / "metadata.json", tmp_path / "info.csv")
    paths = {name: tmp_path / name for name in ("pairs", "failures", "summary")}
    write_clips_index(tmp_path / "plan.json", listed=listed, **paths)
    summary: dict[str, Any] = json.loads(paths["summary"].read_text())
    return summary


def test_the_pairs_are_the_clips_that_were_made_in_the_order_of_the_list(tmp_path: Path) -> None:
    encoded = row(KEYS[1], facts={"copied": False})
    summary = write(tmp_path, [encoded, row(KEYS[0]), FAILED], root="/data/clips")
    assert json.loads((tmp_path / "pairs").read_text()) == [
        {"vid": "b", "transcript": "one", "clip_path": f"/data/clips/{KEYS[0]}/clip.mp4", "size": [0.5], "index": 0},
        {"vid": "a", "transcript": "two words", "clip_path": f"/data/clips/{KEYS[1]}/clip.mp4", "index": 7},
    ]
    assert (tmp_path / "failures").read_text().splitlines()[1:] == [f"{KEYS[2]},a.mp4,bad_interval,why"]
    assert summary == {
        "ok": 2,
        "failed": 1,
        "errors": {"bad_interval": 1},
        "made": {"copied": 1, "encoded": 1},
        "bytes": 20,
    }


@pytest.mark.parametrize("root", ["", "/data/clips"])
def test_the_pairs_are_read_back_as_the_same_samples(tmp_path: Path, root: str) -> None:
    write(tmp_path, [row(KEYS[0]), row(KEYS[1])], root)
    entries = list(read_pairs(tmp_path / "pairs"))
    assert [(entry.key, entry.source) for entry in entries] == [(key, f"{key}/clip.mp4") for key in KEYS[:2]]
    assert json.loads(entries[0].entry)["size"] == [0.5]


def test_no_clip_at_all_is_an_empty_list(tmp_path: Path) -> None:
    write(tmp_path, [FAILED])
    assert json.loads((tmp_path / "pairs").read_text()) == []
    assert list(read_pairs(tmp_path / "pairs")) == []


def test_a_list_that_changed_since_the_plan_is_said(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"metadata.json was changed while its clips were cut; run again"):
        write(tmp_path, [row(KEYS[0]), row("sample_000009_z")])
