import csv
import json
from pathlib import Path
from typing import Any

import pytest

from scripts.pose.check import listed_poses
from scripts.pose.index import write_index
from scripts.shared import layout
from scripts.shared.errors import JobError
from scripts.shared.ledger import LedgerWriter
from scripts.shared.planning.index_plan import plan_file
from scripts.shared.planning.members import Members, save_members
from scripts.shared.planning.plan_file import closed

STAGES = ("text", "generate", "render")
CAPTIONS = {"walk": "A person walk", "举手": "举手", "bow": 'A person "bow", deep\nand long\0', "sit": "A person sit"}
FACTS: dict[str, dict[str, Any]] = {
    "text": {"tokens": 5, "cut": False},
    "generate": {"frames": 16, "frame": 8, "device": "cpu"},
    "render": {},
}


def made(key: str, stage: str, **facts: Any) -> dict[str, Any]:
    names = {"text": [f"text/{key}.npy"], "generate": [f"poses/{key}.npy", f"poses/{key}.json"]}
    files = {name: [1, ""] for name in names.get(stage, [f"poses/{key}.png"])}
    return {"key": key, "status": "ok", "files": files, "facts": FACTS[stage] | facts}


def failed(key: str, error: str, message: str, source: str = "") -> dict[str, Any]:
    return {"key": key, "status": "failed", "error": error, "message": message, "source_name": source}


class Dataset:
    """Rows of three stages over two shards, as jobs leave them."""

    def __init__(self, folder: Path, rows: dict[str, list[dict[str, Any]]]) -> None:
        self.dir, self.work = folder / "out", folder / "work"
        shard_of = {key: number % 2 for number, key in enumerate(CAPTIONS)}
        save_members(layout.members_file(self.dir), Members(shard_of, unsaved=list(CAPTIONS)))
        for stage in STAGES:
            for shard in ("00000", "00001"):
                writer = LedgerWriter(layout.ledger_dir(self.dir, stage), shard, {})
                for row in rows[stage]:
                    if shard_of[row["key"]] == int(shard):
                        writer.append(row)
                writer.append({"rate": {"made": 2, "failed": 0, "seconds": 4.0, "at": 1000.0, "workers": 2}})
                writer.close()
        head = {"digest": "", "serial": "", "dataset_dir": str(self.dir), "stage": "render",
                "settings": {"captions": CAPTIONS, "cfg": 4.5}, "shards": ["00000", "00001"]}  # fmt: skip
        text = json.dumps(head)[:-1] + ', "keys": [\n' + ",\n".join(json.dumps(key) for key in CAPTIONS) + "\n"
        plan_file(self.work).parent.mkdir(parents=True)
        plan_file(self.work).write_bytes(closed(text.encode()))

    def index(self) -> dict[str, Path]:
        names = ("failures", "summary", "failures_by_class", "throughput")
        outputs = {"index": self.dir / "index.csv", **{name: self.dir / name for name in names}}
        write_index(plan_file(self.work), outputs=outputs, title="pose x")
        return outputs


def some_failed() -> dict[str, list[dict[str, Any]]]:
    """`举手` is ruled out by the list, `sit` fails while poses are made, `bow` while it is drawn."""
    return {
        "text": [
            made("walk", "text"), failed("举手", "non_latin", "no Latin letter"),
            made("bow", "text", tokens=77, cut=True), made("sit", "text"),
        ],
        "generate": [
            made("walk", "generate"), failed("举手", "non_latin", "no Latin letter", "text/举手.npy"),
            made("bow", "generate", frames=40, frame=20, device="cuda"),
            failed("sit", "not_finite", "NaN", "text/sit.npy"),
        ],
        "render": [
            made("walk", "render"), failed("举手", "upstream", "generate: non_latin: no Latin letter"),
            failed("bow", "timeout", "too slow", "poses/bow.npy"),
            failed("sit", "upstream", "generate: not_finite: NaN", "poses/sit.npy"),
        ],
    }  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_index_maps_every_caption_to_its_files_in_list_order(tmp_path: Path) -> None:
    out = Dataset(tmp_path, some_failed()).index()
    rows = table(out["index"])
    assert [(row["caption"], row["name"], row["status"]) for row in rows] == [
        (CAPTIONS["walk"], "walk", "ok"), ("举手", "举手", "failed"), (CAPTIONS["bow"], "bow", "failed"),
        (CAPTIONS["sit"], "sit", "failed"),
    ]  # fmt: skip
    assert [row["files"].split() for row in rows] == [
        ["poses/walk.npy", "poses/walk.json", "poses/walk.png"], [], ["poses/bow.npy", "poses/bow.json"], [],
    ]  # fmt: skip
    assert [tuple(row[name] for name in ("frames", "frame", "tokens", "cut")) for row in rows] == [
        ("16", "8", "5", "false"), ("", "", "", ""), ("40", "20", "77", "true"), ("", "", "5", "false"),
    ]  # fmt: skip
    assert listed_poses(out["index"].parent) == ["walk"]


def test_a_failure_is_told_once_as_the_stage_that_it_began_in_has_it(tmp_path: Path) -> None:
    out = Dataset(tmp_path, some_failed()).index()
    assert [tuple(row.values()) for row in table(out["failures"])] == [
        ("举手", "", "non_latin", "no Latin letter"),
        ("bow", "poses/bow.npy", "timeout", "too slow"),
        ("sit", "text/sit.npy", "not_finite", "NaN"),
    ]


def test_the_summary_counts_and_has_the_settings_without_the_captions(tmp_path: Path) -> None:
    summary = json.loads(Dataset(tmp_path, some_failed()).index()["summary"].read_text())
    assert summary == {
        "ok": 1, "failed": 3, "errors": {"non_latin": 1, "not_finite": 1, "timeout": 1}, "pictures": 1,
        "cut_captions": 1, "devices": {"cpu": 1, "cuda": 1}, "settings": {"cfg": 4.5},
    }  # fmt: skip


def test_a_list_of_which_all_failed_has_an_index_too(tmp_path: Path) -> None:
    rows = {stage: [failed(key, "upstream" if stage != "text" else "x", "") for key in CAPTIONS] for stage in STAGES}
    out = Dataset(tmp_path, rows).index()
    assert json.loads(out["summary"].read_text())["errors"] == {"x": 4}
    assert {row["status"] for row in table(out["index"])} == {"failed"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_caption_without_a_row_ends_the_job(tmp_path: Path, stage: str) -> None:
    rows = some_failed()
    del rows[stage][0]
    with pytest.raises(JobError, match=rf"{stage}/ledger: 1 samples have no row, such as walk"):
        Dataset(tmp_path, rows).index()


def test_equal_ledgers_give_equal_files(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path, some_failed())
    first = {name: path.read_bytes() for name, path in dataset.index().items()}
    assert first["throughput"].startswith(b"\x89PNG")
    assert {name: path.read_bytes() for name, path in dataset.index().items()} == first
