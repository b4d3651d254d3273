"""The dataset as a whole: pictures that splits share, one list of failures, and a summary that the gate reads."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.cnclip.data.joining import SplitTables, join_checks
from scripts.shared.errors import JobError
from scripts.shared.gate import check_summary
from tests.unit.cnclip.data.conftest import Tables, a_picture, jsonl_row, tsv_row

Maker = Callable[..., Tables]


def joined(folder: Path, **splits: Tables) -> dict[str, Path]:
    outputs = {name: folder / name for name in ("failures.csv", "leakage.csv", "summary.json")}
    join_checks(
        {split: SplitTables(made.pictures, made.rest) for split, made in splits.items()},
        failures=outputs["failures.csv"],
        leakage=outputs["leakage.csv"],
        summary=outputs["summary.json"],
    )
    return outputs


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_pictures_that_two_splits_share_are_found_by_their_bytes_whatever_their_ids(
    tables: Maker, tmp_path: Path
) -> None:
    train = tables(b"".join(tsv_row(i, a_picture(i)) for i in range(12)), jsonl_row(1, "a", [3]))
    valid_rows = tsv_row(3, a_picture(99)) + tsv_row(50, a_picture(7)) + tsv_row(51, a_picture(2))
    valid = tables(valid_rows, jsonl_row(1, "a", [50]), split="valid")
    test = tables(tsv_row(60, a_picture(99)), jsonl_row(1, "a", [60]), split="test")
    made = joined(tmp_path, train=train, valid=valid, test=test)
    assert read_csv(made["leakage.csv"]) == [
        ["split", "image_id", "other_split", "other_image_id"],
        ["train", "2", "valid", "51"],
        ["train", "7", "valid", "50"],
        ["valid", "3", "test", "60"],
    ]
    summary = json.loads(made["summary.json"].read_text(encoding="utf-8"))
    assert summary["leakage"] == {
        "train/valid": {"pictures": 2, "examples": [[2, 51], [7, 50]]},
        "train/test": {"pictures": 0, "examples": []},
        "valid/test": {"pictures": 1, "examples": [[3, 60]]},
    }


def test_the_gate_counts_pictures_and_texts_and_names_the_commonest_reason(tables: Maker, tmp_path: Path) -> None:
    good = b"".join(tsv_row(i, a_picture(i)) for i in range(15))
    junk = b"".join(tsv_row(100 + i, b"junk") for i in range(6))
    made = joined(tmp_path, train=tables(good + junk, jsonl_row(1, "a", [3, 5]) + jsonl_row(2, "b", [700])))
    summary = json.loads(made["summary.json"].read_text(encoding="utf-8"))
    assert {key: summary[key] for key in ("samples", "ok", "failed", "errors")} == {
        **{"samples": 23, "ok": 16, "failed": 7, "errors": {"no_picture": 6, "dangling_id": 1}}
    }
    failures = read_csv(made["failures.csv"])
    assert failures[0] == ["key", "source", "error", "message"]
    assert [row[0] for row in failures[1:]] == [*(f"train image {100 + i}" for i in range(6)), "train text 2"]
    with pytest.raises(JobError, match=r"7 of 23 samples failed.*no_picture \(6\)"):
        check_summary(made["summary.json"], tmp_path / "mark", max_failed_fraction=0.05)


def test_a_split_without_pictures_shares_none(tables: Maker, tmp_path: Path) -> None:
    made = joined(tmp_path, train=tables(tsv_row(1, a_picture(1)), b""), valid=tables(b"", b"", split="valid"))
    assert len(read_csv(made["leakage.csv"])) == 1
    assert read_csv(made["failures.csv"]) == [["key", "source", "error", "message"]]
