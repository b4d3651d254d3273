"""Plan files: damage is seen, equal plans never have equal text."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.shared.errors import JobError
from scripts.shared.fingerprints import canonical_json
from scripts.shared.planning.plan_file import (
    FORMAT,
    PlanHeader,
    PlannedSample,
    closed,
    read_header,
    read_outline,
    read_plan,
    sample_line,
    write_plan,
)


def header(**changes: Any) -> PlanHeader:
    values: dict[str, Any] = {
        "want": "w",
        "label": "toy toys 00000",
        "stage": "words",
        "shard": "00000",
        "files": ("a.txt", "b.txt"),
        "dataset_dir": "results/toy",
        "source_dir": '/mnt/ü "quoted"',
        "settings": {"repeat": 1},
        "means": {},
        "sample_timeout_s": 30.0,
        "force": ("k",),
    }
    return PlanHeader(**{**values, **changes})


SAMPLES = st.lists(
    st.builds(PlannedSample, st.text(), st.tuples(st.integers(-1, 2**62), st.integers(-1, 2**62)),
              st.dictionaries(st.text(), st.text() | st.lists(st.floats(allow_nan=False)), max_size=3)),
    max_size=4,
)  # fmt: skip


def write(path: Path, samples: list[PlannedSample], **changes: Any) -> None:
    write_plan(path, header(**changes), [sample_line(s.key, s.stat, canonical_json(s.entry)) for s in samples])


@given(samples=SAMPLES)
def test_a_plan_reads_as_it_was_written(samples: list[PlannedSample], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "plan.json"
    write(path, samples)
    read, planned = read_plan(path)
    assert planned == samples
    assert read == header(serial=read.serial)
    assert read_header(path) == read
    assert read_outline(path) == (read, len(samples))
    assert json.loads(path.read_text())["format"] == FORMAT


def test_each_writing_has_another_serial(tmp_path: Path) -> None:
    serials = set()
    for _ in range(5):
        write(tmp_path / "plan.json", [])
        read = read_header(tmp_path / "plan.json")
        assert read is not None
        serials.add(read.serial)
    assert len(serials) == 5
    assert all(len(serial) == 16 for serial in serials)


def test_a_plan_damaged_at_any_byte_is_no_plan(tmp_path: Path) -> None:
    write(tmp_path / "plan.json", [PlannedSample("k", (1, 2), {"note": "words"})])
    content = (tmp_path / "plan.json").read_bytes()
    broken = tmp_path / "broken.json"
    for place in range(len(content)):
        for damaged in (content[:place], content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]):
            broken.write_bytes(damaged)
            assert read_header(broken) is None
            with pytest.raises(JobError, match=r"not a plan that can be used .*delete it and run again"):
                read_plan(broken)


def test_a_plan_of_another_version_is_no_plan(tmp_path: Path) -> None:
    write(tmp_path / "plan.json", [], format=FORMAT + 1)
    assert read_header(tmp_path / "plan.json") is None
    with pytest.raises(JobError, match=f"format {FORMAT + 1}, this version writes {FORMAT}"):
        read_plan(tmp_path / "plan.json")


@pytest.mark.parametrize("content", [b"", b"{}\n", b"[]\n", b"\xff\xfe", b'{"format": 1, "samples": [\n'])
def test_other_files_are_no_plans_even_with_a_checksum(content: bytes, tmp_path: Path) -> None:
    for text in (content, closed(content)):
        (tmp_path / "plan.json").write_bytes(text)
        assert read_header(tmp_path / "plan.json") is None
        with pytest.raises(JobError):
            read_plan(tmp_path / "plan.json")


def test_no_file_is_no_plan(tmp_path: Path) -> None:
    assert read_header(tmp_path / "plan.json") is None


def test_only_a_plan_of_samples_in_shared_folders_speaks_of_folders(tmp_path: Path) -> None:
    """So that plans of the others are as they were, and those written before are read."""
    write(tmp_path / "plan.json", [])
    assert set(json.loads((tmp_path / "plan.json").read_text())) == {
        *("want", "label", "stage", "shard", "files", "dataset_dir", "source_dir", "settings", "means"),
        *("sample_timeout_s", "force", "serial", "format", "samples", "crc"),
    }
    assert read_plan(tmp_path / "plan.json")[0].own_folders
    write(tmp_path / "plan.json", [], own_folders=False)
    assert not read_plan(tmp_path / "plan.json")[0].own_folders
