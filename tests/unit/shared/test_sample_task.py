"""Making one sample: the source may change while it is read."""

from pathlib import Path
from typing import Any

import pytest

from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import stat_source
from scripts.shared.sample_task import SampleTask, make_files


@pytest.fixture
def task(tmp_path: Path) -> SampleTask:
    (tmp_path / "source").write_text("old")
    return SampleTask("k", {}, {}, {}, tmp_path / "source", tmp_path / "out" / "k")


def test_a_source_replaced_while_it_is_read_is_read_again(task: SampleTask) -> None:
    reads: list[str] = []

    def make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
        reads.append(task.source.read_text())
        if len(reads) == 1:
            task.source.write_text("newer")
        return {"a": reads[-1].encode()}, {}

    made = make_files(task, make)
    assert reads == ["old", "newer"]
    assert (task.folder / "a").read_text() == "newer"
    assert made.source == stat_source(task.source)


def test_a_source_that_never_rests_is_a_failure_that_says_so(task: SampleTask) -> None:
    def make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
        with task.source.open("a") as file:
            file.write("more")
        return {"a": b""}, {}

    with pytest.raises(SampleError, match="changes while it is read") as caught:
        make_files(task, make)
    assert caught.value.error == "source_changed"
    assert not task.folder.exists()


def test_a_source_that_appears_under_way_is_read_again(task: SampleTask) -> None:
    task.source.unlink()
    reads: list[bool] = []

    def make(task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
        reads.append(task.source.exists())
        if not reads[-1]:
            task.source.write_text("there")
        return {"a": b""}, {}

    make_files(task, make)
    assert reads == [False, True]


def test_files_that_cannot_be_written_end_the_job(task: SampleTask) -> None:
    task.folder.parent.write_text("a file where a folder must be")
    with pytest.raises(JobError, match=r"Not a directory; move the file away .* and run again"):
        make_files(task, lambda _: ({"a": b"x"}, {}))
