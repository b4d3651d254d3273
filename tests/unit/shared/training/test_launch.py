"""Processes of a training are started together and end together."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.shared.devices import lease
from scripts.shared.errors import ConfigError, JobError, StoppedError
from scripts.shared.training import launch, run_folder
from scripts.shared.training.launch import run_processes
from scripts.shared.training.metrics_log import read_rows
from tests.fake_gpus import STAND_INS, fake_gpus
from tests.forked import in_processes
from tests.snakemake_run import ROOT
from tests.toy_training import STEPS, end_state, work


def launched(folder: Path, n: int, **asked: Any) -> None:
    settings = folder / "settings.json"
    settings.write_text(json.dumps(asked))
    run_processes("tests.toy_worker", settings, n, label="toy run")


def once(seen: Callable[[], bool], then: Callable[[], None]) -> threading.Thread:
    """Do something in a thread when something else is seen."""

    def wait() -> None:
        until = time.monotonic() + 60
        while not seen():
            assert time.monotonic() < until
            time.sleep(0.01)
        then()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("n", [1, 3])
def test_all_processes_run_and_what_they_say_is_logged(
    n: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        launched(tmp_path, n, **{str(rank): "ends" for rank in range(n)})
    expected = {f"process {rank}: I am {rank} of {n}" if n > 1 else "I am 0 of 1" for rank in range(n)}
    assert expected == set(caplog.messages)


def test_the_code_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    launched(tmp_path, 1, **{"0": "ends"})


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("defect", "(?s)process 1 of 2 ended with exit status 1.*by zero, of all things"),
        ("killed", r"(?s)process 1 of 2 was ended by signal 9 \(Killed\); was the memory full\?.*I am 1 of 2"),
        ("exits", "(?s)process 1 of 2 ended with exit status 9.*I am 1 of 2"),
    ],
)
def test_one_that_dies_ends_all_and_its_error_is_shown(what: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=words) as caught:
        launched(tmp_path, 2, **{"0": "loses a partner", "1": what})
    assert "closed by peer" not in str(caught.value)


def test_what_a_user_can_mend_is_said_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^teacher\.npz: made of other pictures; make it again$"):
        launched(tmp_path, 2, **{"0": "loses a partner", "1": "config"})


def test_one_that_dies_ends_those_that_wait_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_LAST_WORDS_S", 0.3)
    told = tmp_path / "told"
    began = time.monotonic()
    with pytest.raises(JobError, match=r"process 1 of 2 .* signal 9"):
        launched(tmp_path, 2, **{"1": "killed", "told": str(told)})
    assert time.monotonic() - began < 30
    assert not psutil.pid_exists(int(told.with_suffix(".0").read_text()))


def test_sigterm_is_handed_on_and_waited_for(tmp_path: Path) -> None:
    told = tmp_path / "told"
    thread = once(lambda: all(told.with_suffix(f".{rank}").exists() for rank in range(2)), sigterm)
    with pytest.raises(StoppedError, match="asked to end by SIGTERM"):
        launched(tmp_path, 2, told=str(told))
    thread.join()
    assert all((tmp_path / f"checkpoint.{rank}").exists() for rank in range(2))


def test_the_stop_file_ends_all(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    with pytest.raises(StoppedError, match="asked to end by make stop"):
        launched(tmp_path, 2)


def test_sigterm_before_the_first_step_is_no_failure(tmp_path: Path) -> None:
    told = tmp_path / "told"
    thread = once(told.exists, sigterm)
    with pytest.raises(StoppedError, match="before the first step"):
        launched(tmp_path, 1, **{"0": "early", "told": str(told)})
    thread.join()


def test_processes_end_with_a_checkpoint_when_the_job_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "told"
    (tmp_path / "settings.json").write_text(json.dumps({"told": str(told)}))
    call = f"run_processes('tests.toy_worker', Path({str(tmp_path / 'settings.json')!r}), 2, label='toy')"
    code = f"from pathlib import Path; from scripts.shared.training.launch import run_processes; {call}"
    job = subprocess.Popen([sys.executable, "-c", code])
    pids = [told.with_suffix(f".{rank}") for rank in range(2)]
    once(lambda: all(path.exists() and path.read_text() for path in pids), job.kill).join()
    job.wait()
    gone = once(lambda: not any(psutil.pid_exists(int(path.read_text())) for path in pids), lambda: None)
    gone.join()
    assert all((tmp_path / f"checkpoint.{rank}").exists() for rank in range(2))


def test_a_process_that_outlives_the_job_has_its_gpu_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, locks = tmp_path / "told", tmp_path / "locks"
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"0": "lingers", "told": str(told)}))
    code = (
        "from pathlib import Path; from scripts.shared.devices import lease;"
        "from scripts.shared.training.launch import run_processes\n"
        f"with lease(1, folder=Path({str(locks)!r})):"
        f"    run_processes('tests.toy_worker', Path({str(settings)!r}), 1, label='')"
    )
    with fake_gpus(monkeypatch, locks, "GPU-aa10"):
        search = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(STAND_INS)])}
        job = subprocess.Popen([sys.executable, "-c", code], env=os.environ | search)
        once(told.with_suffix(".0").exists, job.kill).join()
        job.wait()

        def is_free() -> bool:
            with lease(1, wait=lambda: False) as held:
                return bool(held)

        time.sleep(0.2)
        assert not is_free()
        settings.with_name("go").touch()
        once(is_free, lambda: None).join()
        assert is_free()


def settings_of(run_dir: Path, **asked: Any) -> Path:
    run_dir.mkdir(exist_ok=True)
    settings = run_dir.with_suffix(".json")
    settings.write_text(json.dumps({"run_dir": str(run_dir), **asked}))
    return settings


def trained(run_dir: Path, n: int) -> dict[str, Any]:
    """The toy training to its end, in processes that need no start."""
    settings = settings_of(run_dir)
    assert set(in_processes(n, lambda: work(settings))) == {0}
    return end_state(run_dir)


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return trained(tmp_path_factory.mktemp("by_two") / "run", 2)


def test_two_processes_train_as_one_does(tmp_path: Path, by_two: dict[str, Any]) -> None:
    trained(tmp_path / "one", 1)
    one = [row["loss"] for row in read_rows(run_folder.metrics_file(tmp_path / "one"))]
    two = [json.loads(line)["loss"] for line in by_two["metrics"].splitlines()]
    assert len(one) == STEPS
    assert two == pytest.approx(one, rel=1e-5)


def test_two_processes_end_together_where_one_hears_sigterm_and_go_on_to_the_same_bits(
    tmp_path: Path, by_two: dict[str, Any]
) -> None:
    settings = settings_of(tmp_path / "run", ends=True)
    assert set(in_processes(2, lambda: work(settings))) == {StoppedError.exit_status}
    assert [path.name for path in run_folder.checkpoints_dir(tmp_path / "run").iterdir()] == ["step_3.pt"]
    assert trained(tmp_path / "run", 2) == by_two


@pytest.mark.slow  # that all end is shown above, that a training goes on to the same bits in `test_going_on`
def test_a_process_that_dies_in_a_step_ends_the_other_and_both_go_on_to_the_same_bits(
    tmp_path: Path, by_two: dict[str, Any]
) -> None:
    with pytest.raises(JobError, match=r"(?s)process 1 of 2 ended with exit status 1.*by zero, of all things"):
        run_processes("tests.toy_training", settings_of(tmp_path / "run", fails=1), 2, label="toy")
    assert [path.name for path in run_folder.checkpoints_dir(tmp_path / "run").iterdir()] == ["step_5.pt"]
    assert trained(tmp_path / "run", 2) == by_two
