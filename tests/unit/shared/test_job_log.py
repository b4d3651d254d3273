import errno
import logging
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from scripts.shared.atomic_files import TEMPORARY_PREFIX, open_new
from scripts.shared.errors import JobError, StoppedError
from scripts.shared.job_log import job_log


def test_what_a_job_says_goes_to_its_log_and_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with job_log(tmp_path / "logs" / "job.log"):
        logging.info("hello %s", "there")
    assert "hello there" in (tmp_path / "logs" / "job.log").read_text()
    assert "hello there" in capsys.readouterr().err


def test_what_a_killed_job_left_half_written_beside_any_of_its_outputs_goes(tmp_path: Path) -> None:
    """And what a living one writes stays."""
    outputs = [tmp_path / "figures" / "one.png", tmp_path / "table.csv"]
    outputs[0].parent.mkdir()
    left = [path.with_name(f"{TEMPORARY_PREFIX}01234567-{path.name}") for path in outputs]
    for path in left:
        path.write_text("half")
    with open_new(tmp_path / "other.csv") as file, job_log(tmp_path / "job.log", outputs=map(str, outputs)):
        file.write(b"whole")
    assert not any(path.exists() for path in left)
    assert (tmp_path / "other.csv").read_text() == "whole"


def test_what_would_flood_the_terminal_goes_to_the_log_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with job_log(tmp_path / "job.log"):
        logging.getLogger("scripts.upkeep.prune").debug("removes sample %d", 7)
        logging.getLogger("elsewhere").debug("chatter")
    assert "removes sample 7" in (tmp_path / "job.log").read_text()
    assert "removes sample 7" not in capsys.readouterr().err
    assert "chatter" not in (tmp_path / "job.log").read_text()


def test_an_error_that_a_user_can_mend_ends_the_job_without_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended, job_log(tmp_path / "job.log"):
        raise JobError("the disk is full")
    assert ended.value.code == 1
    assert "the disk is full" in (tmp_path / "job.log").read_text()
    assert "Traceback" not in (tmp_path / "job.log").read_text()


def test_a_job_that_was_stopped_says_so_by_its_exit_status(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended, job_log(tmp_path / "job.log"):
        raise StoppedError("stopped by make stop after 3 of 20 samples")
    assert ended.value.code == 75
    assert "stopped by make stop after 3 of 20 samples" in (tmp_path / "job.log").read_text()


def test_a_missing_package_names_the_make_target_that_brings_it(tmp_path: Path) -> None:
    for missing in (ModuleNotFoundError("No module named 'av'", name="av"), PackageNotFoundError("av")):
        with pytest.raises(SystemExit), job_log(tmp_path / "job.log", make_target="env-clip4mc"):
            raise missing
        assert "the Python package av is missing: `make env-clip4mc` installs it" in (tmp_path / "job.log").read_text()


def test_a_defect_leaves_its_traceback_in_the_log(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), job_log(tmp_path / "job.log"):
        _ = 1 / 0
    assert "Traceback" in (tmp_path / "job.log").read_text()


def test_ctrl_c_ends_a_job_without_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught, job_log(tmp_path / "job.log"):
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert (tmp_path / "job.log").read_text().endswith("ended by Ctrl-C; what is finished is kept\n")


def test_a_log_that_cannot_be_written_costs_a_line_and_no_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").write_text("no folder")
    with job_log(tmp_path / "logs" / "job.log"):
        logging.info("made it")
    said = capsys.readouterr().err
    assert "job.log: File exists: this job goes on" in said
    assert "made it" in said

    def full(_: logging.FileHandler) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with job_log(tmp_path / "job.log"):
        monkeypatch.setattr(logging.FileHandler, "flush", full)
        logging.info("one")
        logging.info("two")
    said = capsys.readouterr().err
    assert said.count("job.log: No space left on device: this job goes on") == 1
    assert "two" in said
    assert "Traceback" not in said


def test_a_job_without_memory_says_what_to_give_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended, job_log(tmp_path / "job.log"):
        raise MemoryError
    assert ended.value.code == 1
    assert "ran out of memory: give it more (`mem_mb` of its rule)" in (tmp_path / "job.log").read_text()
