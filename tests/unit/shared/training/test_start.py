"""A training is started with its settings written down, and where there are GPUs with one for each process."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.shared.devices import Device
from scripts.shared.errors import StoppedError
from scripts.shared.training import start
from scripts.shared.training.run_folder import stop_file

CARD = Device(0, "GPU-1", "H100")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the processes would have read."""
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(
        start, "run_processes", lambda _module, settings, _n, **_: seen.append(json.loads(settings.read_text()))
    )
    return seen


def begin(run_dir: Path, processes: int = 1) -> None:
    paths = {"init": run_dir / "init", "teacher": None}
    start.start_training("worker", {"lr": 1}, paths, name="r", run_dir=run_dir, processes=processes, gpus="auto")


def test_the_processes_are_told_settings_and_paths(
    tmp_path: Path, started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "visible", lambda _: [])
    begin(tmp_path)
    (plan,) = started
    assert (plan["settings"], plan["init"], plan["teacher"]) == ({"lr": 1}, str(tmp_path / "init"), None)
    assert plan["device"] == "cpu"
    assert (tmp_path / f"params_{plan['moment']}.txt").read_text() == "lr: 1\n"


def test_a_request_to_stop_that_is_left_over_ends_no_wait_for_a_gpu(
    tmp_path: Path, started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_file(tmp_path).touch()
    seen = []
    monkeypatch.setattr(start, "visible", lambda _: seen.append(stop_file(tmp_path).exists()) or [])
    begin(tmp_path)
    assert seen == [False]
    assert len(started) == 1


@pytest.mark.parametrize("free", [True, False])
def test_each_process_has_a_gpu_or_none_begins(
    free: bool,
    tmp_path: Path,
    started: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    @contextmanager
    def lease(k: int, **_: Any) -> Iterator[list[Device]]:
        yield [CARD] * k if free else []

    monkeypatch.setattr(start, "visible", lambda _: [CARD])
    monkeypatch.setattr(start, "lease", lease)
    if free:
        with caplog.at_level(logging.INFO):
            begin(tmp_path, processes=2)
        assert started[0]["device"] == "cuda"
        assert caplog.text.count("trains on GPU 0 (H100)") == 2
    else:
        with pytest.raises(StoppedError, match="other jobs had the GPUs"):
            begin(tmp_path)
        assert not started
