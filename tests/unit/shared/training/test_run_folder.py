import logging
import os
import threading
from pathlib import Path

import pytest

from scripts.shared.errors import StoppedError
from scripts.shared.locks import LockFile
from scripts.shared.training.run_folder import lock_file, run_held, stop_file


def test_one_waits_for_the_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = LockFile(lock_file(tmp_path))
    other.acquire(wait=False)
    timer = threading.Timer(0.2, other.release)
    timer.start()
    with caplog.at_level(logging.INFO), run_held(tmp_path, label="run"):
        assert other._file is None
    assert f"waits for pid {os.getpid()}" in caplog.text


def test_one_that_waits_can_be_stopped(tmp_path: Path) -> None:
    other = LockFile(lock_file(tmp_path))
    other.acquire(wait=False)
    with (
        pytest.raises(StoppedError, match="while it waited for pid"),
        run_held(tmp_path, label="run", stop=lambda: True),
    ):
        pytest.fail("it must not get here")
    other.release()


def test_an_old_request_to_stop_is_taken_away_and_the_lock_is_given_back(tmp_path: Path) -> None:
    stop_file(tmp_path).touch()
    with run_held(tmp_path, label="run"):
        assert not stop_file(tmp_path).exists()
        assert LockFile(lock_file(tmp_path)).is_held()
    assert LockFile(lock_file(tmp_path)).is_held() is False
