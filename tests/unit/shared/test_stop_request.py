"""How a job learns that it should end."""

import os
import signal
import threading
from pathlib import Path

import pytest

from scripts.shared import stop_request
from scripts.shared.stop_request import StopRequest


def test_nobody_has_asked_at_first(tmp_path: Path) -> None:
    with StopRequest(tmp_path / "stop") as stop:
        assert not stop()
        assert stop.by == ""


def test_a_file_asks_and_its_removal_does_not_take_the_word_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_request, "_LOOK_EVERY_S", 0.0)
    with StopRequest(tmp_path / "stop") as stop:
        assert not stop()
        (tmp_path / "stop").touch()
        assert stop()
        (tmp_path / "stop").unlink()
        assert stop()
        assert stop.by == "make stop"


def test_the_file_is_looked_for_once_a_second_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    monkeypatch.setattr(stop_request.os.path, "exists", lambda path: looks.append(path) or False)
    with StopRequest(tmp_path / "stop") as stop:
        for _ in range(1000):
            stop()
    assert 1 <= len(looks) <= 2


def test_sigterm_asks_and_does_not_end_the_process(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest(tmp_path / "stop") as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        assert stop.by == "SIGTERM"
    assert signal.getsignal(signal.SIGTERM) == before


def test_it_works_in_a_thread_which_cannot_handle_signals(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    said = []

    def ask() -> None:
        with StopRequest(tmp_path / "stop") as stop:
            said.append(stop())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert said == [True]
