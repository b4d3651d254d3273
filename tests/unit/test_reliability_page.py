"""The page on faults adds up what tests told, and a run of some of them costs no other row."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults import page, tally

TEST = "tests/unit/test_reliability_page.py::test_rows_of_tests_that_ran_again_are_replaced_and_others_stay"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(page, "PAGE", tmp_path / "reliability.md")
    monkeypatch.setenv("POLYMILL_TALLY", str(tmp_path / "faults.jsonl"))
    return tmp_path / "faults.jsonl"


def row(test: str, **said: Any) -> dict[str, Any]:
    counts = {"tried": 1, "lost": 0, "doubled": 0, "wrong": 0}
    return {"test": test, "fault": "a kill", "systems": "pose", **counts, "note": "", "made": "today", **said}


def write(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_rows_of_tests_that_ran_again_are_replaced_and_others_stay(told: Path) -> None:
    write(told, row(f"{TEST}[a]", tried=3), row(f"{TEST}[b]", tried=5), row(f"{TEST}[c]", tried=7))
    page.main([str(told)])
    assert "| a kill | pose | 15 | 0 | 0 | 0 |" in page.PAGE.read_text()
    write(told, {"ran": f"{TEST}[a]"}, row(f"{TEST}[a]", tried=4), {"ran": f"{TEST}[b]"})  # b failed: it tells nothing
    page.main([str(told)])
    assert "| a kill | pose | 11 | 0 | 0 | 0 |" in page.PAGE.read_text()


def test_what_a_test_told_that_is_gone_is_dropped(told: Path) -> None:
    write(told, row(TEST), row("tests/unit/test_reliability_page.py::test_of_old"), row("tests/gone.py::test_of_old"))
    page.main([str(told)])
    assert [line["test"] for line in page.read_rows(page.RESULTS / "faults.jsonl")] == [TEST]


def test_each_fault_stands_in_its_section(told: Path) -> None:
    for fault in ("SLURM: a job killed", "GPU: a job killed", "a disk full", "a job killed", "a ledger cut off"):
        tally.tell(fault, systems="pose", tried=2, note=f"About {fault}.")
    page.main([str(told)])
    sections = page.PAGE.read_text().split("\n## ")
    titles = [section.splitlines()[0] for section in sections if "| 2 | 0 | 0 | 0 |" in section]
    assert titles == ["Kills", "SLURM", "GPUs", "Disks and memory", "Damage and disturbance"]
    assert "In all: tried 10 times; lost 0, doubled 0, wrong 0." in sections[0]
    assert "| a job killed | pose | 2 |" in sections[2]  # its section names SLURM
    assert "- About a disk full." in sections[4]


def test_nothing_is_told_without_a_file_to_tell_it_to(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYMILL_TALLY")
    tally.tell("a kill", systems="pose", tried=1)
    assert not told.exists()
