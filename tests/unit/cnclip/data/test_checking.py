"""The check of a shard: a row a line, in file order, whatever the pictures hold."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.cnclip.data import checking
from scripts.cnclip.data.checking import check_lines, check_shard, read_receipt
from scripts.cnclip.data.tsv import picture_at
from scripts.shared.errors import ConfigError, SampleError
from tests.unit.cnclip.data.conftest import a_picture, tsv_row
from tests.unit.cnclip.data.test_pictures import png_of_size


def test_each_line_gets_a_row_in_file_order_whichever_worker_did_it(tmp_path: Path) -> None:
    tsv = tmp_path / "train_imgs.tsv"
    bad = {30: a_picture(1, "JPEG")[:-40], 55: png_of_size(40_000, 40_000), 60: b"no picture"}
    tsv.write_bytes(b"".join(tsv_row(i, bad.get(i, a_picture(i))) for i in range(100)))
    check_shard(tsv, tmp_path / "receipt.jsonl", shard=0, n_shards=1, workers=2)
    found = read_receipt(tmp_path / "receipt.jsonl")
    assert [row["image_id"] for row in found] == list(range(100))
    failed = {row["image_id"]: row["error"] for row in found if "error" in row}
    assert failed == {30: "truncated", 55: "too_large", 60: "no_picture"}
    with tsv.open("rb") as file:
        assert picture_at(file, found[7]["offset"], found[7]["length"]) == a_picture(7)
    assert {key: found[7][key] for key in ("width", "height", "format", "mode", "animated")} == {
        **{"width": 6, "height": 6, "format": "PNG", "mode": "RGB", "animated": False}
    }


def test_shards_together_tell_what_one_tells(tmp_path: Path) -> None:
    tsv = tmp_path / "train_imgs.tsv"
    tsv.write_bytes(b"".join(tsv_row(i, a_picture(i)) for i in range(20)))
    check_shard(tsv, tmp_path / "whole.jsonl", shard=0, n_shards=1, workers=1)
    parts = [tmp_path / f"{shard}.jsonl" for shard in range(3)]
    for shard, part in enumerate(parts):
        check_shard(tsv, part, shard=shard, n_shards=3, workers=1)
    assert [row for part in parts for row in read_receipt(part)] == read_receipt(tmp_path / "whole.jsonl")


def test_a_picture_that_ends_its_worker_is_named_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def a_worker_dies(function: str, groups: list[list[Any]], **_: object) -> Iterator[tuple[Any, Any]]:
        assert function == "scripts.cnclip.data.checking:check_lines"
        for group in reversed(groups):
            for task in reversed(group):
                answer = SampleError("worker_died", "was ended by SIGSEGV") if task[1] else check_lines([task])[0]
                yield task, answer

    monkeypatch.setattr(checking, "run_groups", a_worker_dies)
    tsv = tmp_path / "train_imgs.tsv"
    tsv.write_bytes(tsv_row(4, a_picture(4)) + tsv_row(9, a_picture(9)))
    check_shard(tsv, tmp_path / "receipt.jsonl", shard=0, n_shards=1, workers=1)
    good, bad = read_receipt(tmp_path / "receipt.jsonl")
    assert good["image_id"] == 4
    assert bad == {
        "image_id": 9,
        "offset": good["length"] + 1,
        "error": "worker_died",
        "message": "was ended by SIGSEGV",
    }


def test_an_empty_file_gives_an_empty_receipt_and_an_absent_one_is_named(tmp_path: Path) -> None:
    tsv = tmp_path / "train_imgs.tsv"
    tsv.write_bytes(b"")
    check_shard(tsv, tmp_path / "receipt.jsonl", shard=0, n_shards=1, workers=1)
    assert read_receipt(tmp_path / "receipt.jsonl") == []
    with pytest.raises(ConfigError, match=r"none.tsv: No such file"):
        check_shard(tmp_path / "none.tsv", tmp_path / "receipt.jsonl", shard=0, n_shards=1, workers=1)
