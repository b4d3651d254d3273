import csv
import json
from pathlib import Path
from typing import Any

import pytest

from scripts.clip4mc.index import write_index
from scripts.shared import layout
from scripts.shared.errors import JobError
from scripts.shared.ledger import LedgerWriter
from scripts.shared.planning.plan_file import closed

SETTINGS = {"split_mode": "random", "split_by": "sample", "seed": 42, "paths": "relative", "root": ""}
NAMES = {"info": "dataset_info.json", "failures": "failures.csv", "summary": "summary.json"}


def ok_row(key: str, fallback: str | None = None) -> dict[str, Any]:
    facts = {"decoder": "cpu", "fallback": fallback}
    return {"key": key, "status": "ok", "files": {"a": [10, "x"], "b": [5, "y"]}, "facts": facts}


def failed_row(key: str, error: str) -> dict[str, Any]:
    return {"key": key, "status": "failed", "error": error, "message": f'why, "{key}"', "source_name": "c.mp4"}


def index(
    tmp_path: Path, shards: dict[str, list[dict[str, Any]]], keys: list[str], **settings: Any
) -> tuple[dict[str, list[str]], list[list[str]], dict[str, Any]]:
    for shard, rows in shards.items():
        writer = LedgerWriter(layout.ledger_dir(tmp_path, "frames"), shard, {})
        for row in rows:
            writer.append(row)
        writer.close()
    head = {"dataset_dir": str(tmp_path), "stage": "frames", "settings": SETTINGS | settings, "shards": list(shards)}
    plan_path = tmp_path / "plan.json"
    plan_path.write_bytes(closed(f'{json.dumps(head)[:-1]}, "keys": [\n{json.dumps(keys)[1:-1]}\n'.encode()))
    paths = {name: tmp_path / file for name, file in NAMES.items()}
    write_index(plan_path, **paths)
    with paths["failures"].open(newline="") as file:
        rows_of_failures = list(csv.reader(file))
    return json.loads(paths["info"].read_text()), rows_of_failures, json.loads(paths["summary"].read_text())


def test_the_index_lists_what_is_ok_in_the_order_of_the_list(tmp_path: Path) -> None:
    shards = {"00000": [ok_row("sample_000001_b"), ok_row("sample_000000_a")], "00001": [ok_row("sample_000002_c")]}
    keys = ["sample_000002_c", "sample_000000_a", "sample_000001_b"]
    info, failures, summary = index(tmp_path, shards, keys, split_mode="all_train")
    assert info == {"train": keys, "val": [], "test": []}
    assert failures == [["key", "source", "error", "message"]]
    assert (summary["ok"], summary["failed"], summary["bytes"]) == (3, 0, 45)


def test_a_failed_sample_is_listed_with_its_reason_and_is_in_no_split(tmp_path: Path) -> None:
    shards = {"00000": [failed_row("sample_000000_a", "truncated"), ok_row("sample_000001_b")]}
    info, failures, summary = index(tmp_path, shards, ["sample_000000_a", "sample_000001_b"], split_mode="all_test")
    assert info["test"] == ["sample_000001_b"]
    assert failures[1:] == [["sample_000000_a", "c.mp4", "truncated", 'why, "sample_000000_a"']]
    assert summary["errors"] == {"truncated": 1}


def test_samples_that_are_not_wanted_are_left_out(tmp_path: Path) -> None:
    shards = {"00000": [ok_row("sample_000000_a"), ok_row("sample_000001_b")]}
    info, _, summary = index(tmp_path, shards, ["sample_000001_b"], split_mode="all_train")
    assert info["train"] == ["sample_000001_b"]
    assert summary["ok"] == 1


def test_paths_are_absolute_below_the_root_that_the_plan_names(tmp_path: Path) -> None:
    shards = {"00000": [ok_row("sample_000000_a")]}
    info, _, _ = index(tmp_path, shards, ["sample_000000_a"], split_mode="all_train", root="/data/train")
    assert info["train"] == ["/data/train/sample_000000_a"]


def test_clips_of_one_video_stay_in_one_split(tmp_path: Path) -> None:
    keys = [f"sample_{number:06d}_video{number % 9}" for number in range(90)]
    info, _, _ = index(tmp_path, {"00000": [ok_row(key) for key in keys]}, keys, split_by="video")
    split_of: dict[str, set[str]] = {}
    for split, members in info.items():
        for member in members:
            split_of.setdefault(member.split("_")[2], set()).add(split)
    assert all(len(splits) == 1 for splits in split_of.values())
    assert all(info.values())


def test_decoders_are_counted_the_commonest_first(tmp_path: Path) -> None:
    rows = [ok_row("sample_000000_a", "packet 17 has no time"), ok_row("sample_000001_b"), ok_row("sample_000002_c")]
    keys = [row["key"] for row in rows]
    assert index(tmp_path, {"00000": rows}, keys)[2]["decoders"] == {"cpu": 2, "cpu, every frame": 1}


def test_the_summary_says_which_decoder_was_chosen_and_why_the_cpu_stepped_in(tmp_path: Path) -> None:
    rows = [ok_row("sample_000000_a"), ok_row("sample_000001_b"), ok_row("sample_000002_c", "no time")]
    rows[0]["facts"]["decoder"] = "nvdec"
    rows[1]["facts"]["why_cpu"] = rows[2]["facts"]["why_cpu"] = "the GPU does not decode vp8"
    choice = {"choice": "nvdec", "reason": "nvdec: 40.0 clips/s on 1 GPU(s), 30.0 on 16 CPU cores"}
    summary = index(tmp_path, {"00000": rows}, [row["key"] for row in rows], decoder_choice=choice)[2]
    assert summary["decoders"] == {"cpu": 1, "cpu, every frame": 1, "nvdec": 1}
    assert summary["why_cpu"] == {"the GPU does not decode vp8": 1}
    assert summary["decoder_choice"] == choice
    assert "decoder_choice" not in summary["settings"]


def test_where_no_gpu_was_asked_for_the_summary_is_silent_about_it(tmp_path: Path) -> None:
    summary = index(tmp_path, {"00000": [ok_row("sample_000000_a")]}, ["sample_000000_a"])[2]
    assert not {"why_cpu", "decoder_choice"} & set(summary)


def test_a_sample_without_a_row_is_an_error_not_a_gap(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="1 samples have no row, such as sample_000001_b"):
        index(tmp_path, {"00000": [ok_row("sample_000000_a")]}, ["sample_000000_a", "sample_000001_b"])


def test_a_sample_in_the_making_has_no_row(tmp_path: Path) -> None:
    rows = [ok_row("sample_000000_a"), {"key": "sample_000000_a", "status": "making"}]
    with pytest.raises(JobError):
        index(tmp_path, {"00000": rows}, ["sample_000000_a"])
