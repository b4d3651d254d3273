"""The one rule that says whether a sample is as it should be."""

import os
from pathlib import Path
from typing import Any

import pytest

from scripts.shared.fingerprints import UNSEEN, SourceStat, digest_bytes
from scripts.shared.planning.staleness import Wanted, is_retried, why_make

SOURCE = SourceStat(100, 10**18)
WANTED = Wanted("settings", "entry", SOURCE)


@pytest.fixture
def row(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "a.txt").write_bytes(b"content")
    return {
        "key": "k",
        "status": "ok",
        "settings": "settings",
        "entry": "entry",
        "source": list(SOURCE),
        "files": {"a.txt": [7, digest_bytes(b"content")]},
        "folder_mtime_ns": (tmp_path / "k").stat().st_mtime_ns,
    }


def test_a_finished_sample_stays(row: dict[str, Any], tmp_path: Path) -> None:
    for verify in ("cheap", "full", "digest"):
        assert why_make(row, WANTED, tmp_path, verify=verify) is None


@pytest.mark.parametrize(
    ("changes", "wanted", "reason"),
    [
        ({"status": "making"}, WANTED, "interrupted"),
        ({}, Wanted("other", "entry", SOURCE), "settings changed"),
        ({}, Wanted("settings", "other", SOURCE), "list entry changed"),
        ({}, Wanted("settings", "entry", SourceStat(101, 10**18)), "source changed"),
        ({}, Wanted("settings", "entry", SourceStat(100, 10**18 + 1)), "source changed"),
        ({}, Wanted("settings", "entry", SourceStat(100, 10**18 - 1)), "source changed"),
        ({"status": "failed"}, Wanted("settings", "entry", SourceStat(100, 10**18 + 1)), "source changed"),
        ({"status": "failed"}, Wanted("other", "entry", SOURCE), "settings changed"),
        ({"status": "failed"}, WANTED, None),
        ({"source": list(UNSEEN), "status": "failed"}, WANTED, "source changed"),
        ({}, Wanted("settings", "entry", UNSEEN), None),
        ({"status": "failed"}, Wanted("settings", "entry", UNSEEN), None),
        ({}, Wanted("other", "entry", UNSEEN), "settings changed"),
    ],
)
def test_what_changed_is_named(
    changes: dict[str, Any], wanted: Wanted, reason: str | None, row: dict[str, Any], tmp_path: Path
) -> None:
    assert why_make({**row, **changes}, wanted, tmp_path) == reason


def test_an_unknown_sample_is_new(tmp_path: Path) -> None:
    assert why_make(None, WANTED, tmp_path) == "new"


def test_sizes_alone_count_for_copied_trees(row: dict[str, Any], tmp_path: Path) -> None:
    touched = Wanted("settings", "entry", SourceStat(100, 5))
    assert why_make(row, touched, tmp_path, by_mtime=False) is None
    assert why_make(row, Wanted("settings", "entry", SourceStat(99, 5)), tmp_path, by_mtime=False) is not None


def test_a_missing_file_or_folder_is_seen_cheaply(row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "k" / "a.txt").unlink()
    assert why_make(row, WANTED, tmp_path) == "output missing"
    assert why_make(row, WANTED, tmp_path / "none") == "output missing"


def test_a_file_cut_in_place_needs_sizes_and_a_flipped_bit_digests(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "k" / "a.txt"
    path.write_bytes(b"Content")
    assert [why_make(row, WANTED, tmp_path, verify=v) for v in ("cheap", "full")] == [None, None]
    assert why_make(row, WANTED, tmp_path, verify="digest") == "output damaged"
    os.truncate(path, 3)
    assert why_make(row, WANTED, tmp_path) is None
    assert why_make(row, WANTED, tmp_path, verify="full") == "output damaged"


def test_a_foreign_file_makes_nothing_stale(row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "k" / "mine.txt").write_text("mine")
    assert row["folder_mtime_ns"] != (tmp_path / "k").stat().st_mtime_ns
    assert why_make(row, WANTED, tmp_path) is None


def test_a_file_in_a_shared_folder_is_looked_at_by_its_own_path_and_size(row: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "e" / "k" / "a.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"Content")
    shared = {**row, "files": {"e/k/a.txt": row["files"]["a.txt"]}}
    del shared["folder_mtime_ns"]
    assert [why_make(shared, WANTED, tmp_path, verify=v) for v in ("cheap", "full")] == [None, None]
    assert why_make(shared, WANTED, tmp_path, verify="digest") == "output damaged"
    os.truncate(path, 3)
    assert why_make(shared, WANTED, tmp_path) == "output damaged"
    path.unlink()
    assert why_make(shared, WANTED, tmp_path) == "output missing"


def test_a_file_in_the_place_of_a_sample_is_a_missing_sample(row: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a note")
    assert why_make(row, WANTED, tmp_path / "file") == "output missing"


@pytest.mark.parametrize(
    ("row", "retry", "retried"),
    [
        (None, True, False),
        ({"status": "ok"}, True, False),
        ({"status": "failed", "error": "timeout"}, True, True),
        ({"status": "failed", "error": "timeout"}, False, False),
        ({"status": "failed", "error": "timeout"}, ["timeout"], True),
        ({"status": "failed", "error": "no_video"}, ["timeout"], False),
        ({"status": "making"}, True, False),
    ],
)
def test_failures_are_tried_again_where_asked_for(row: Any, retry: Any, retried: bool) -> None:
    assert is_retried(row, retry) is retried
