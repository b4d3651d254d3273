"""Workers may die in any way: it costs the sample in their hands."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.shared import worker_pool
from scripts.shared.devices import lease
from scripts.shared.errors import JobError, SampleError
from scripts.shared.worker_pool import run_groups, run_tasks
from tests.fake_gpus import fake_gpus
from tests.snakemake_run import ROOT

ACT = "tests.pool_tasks:act"


def run(tasks: list[Any], *, workers: int = 2, timeout_s: float = 60, function: str = ACT) -> dict[int, Any]:
    numbered = {id(task): number for number, task in enumerate(tasks)}
    results = list(run_tasks(function, tasks, workers=workers, timeout_s=timeout_s))
    assert len(results) == len(tasks)
    return {numbered[id(task)]: result for task, result in results}


def with_neighbours(task: tuple[Any, ...], **named: Any) -> Any:
    """The result of a task among five others, which must all be made."""
    tasks: list[Any] = [("return", number) for number in range(5)]
    tasks.insert(2, task)
    results = run(tasks, **named)
    deviant = results.pop(2)
    assert sorted(results.values()) == [0, 1, 2, 3, 4]
    return deviant


def test_each_task_gives_its_result() -> None:
    assert run([("return", number) for number in range(20)]) == {number: number for number in range(20)}


def test_no_task_needs_no_worker() -> None:
    assert run([], function="no.such:module") == {}


def test_a_worker_has_the_locks_of_the_gpus_that_its_job_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with fake_gpus(monkeypatch, tmp_path / "locks", "GPU-aa10", "GPU-aa20"):
        with lease(2):
            assert run([("gpu locks",)]) == {0: 2}
        assert run([("gpu locks",)]) == {0: 0}


@pytest.mark.parametrize("workers", [1, 3])
def test_a_killed_worker_costs_one_task(workers: int) -> None:
    error = with_neighbours(("killed",), workers=workers)
    assert error.error == "worker_died"
    assert error.message == "the worker process was ended by SIGKILL (out of memory? use fewer workers) on this sample"


def test_a_segmentation_fault_costs_one_task() -> None:
    error = with_neighbours(("segfault",))
    assert (error.error, error.message) == ("worker_died", "the worker process was ended by SIGSEGV on this sample")


def test_a_worker_that_exits_costs_one_task() -> None:
    error = with_neighbours(("exit", 3))
    assert (error.error, error.message) == ("worker_died", "the worker process ended with status 3 on this sample")


@pytest.mark.parametrize("deed", ["hang", "hang deaf"])
def test_a_hanging_worker_costs_one_task_after_its_time(deed: str, tmp_path: Path) -> None:
    error = with_neighbours((deed, str(tmp_path / "pid")), timeout_s=1.5)
    assert (error.error, error.message) == ("timeout", "took more than sample_timeout_s = 1.5 s")


def test_the_time_of_a_task_is_its_own_not_that_of_the_queue() -> None:
    assert (
        len(set(run([("pid", 0.6)] * 1 + [("pid", 0.6001), ("pid", 0.6002)], workers=1, timeout_s=1.5).values())) == 1
    )


def test_every_second_task_kills_its_worker_and_the_others_are_made() -> None:
    tasks: list[Any] = [("return", number) if number % 2 else ("killed", number) for number in range(8)]
    results = run(tasks, workers=2)
    assert [results[number] for number in range(1, 8, 2)] == [1, 3, 5, 7]
    assert {results[number].error for number in range(0, 8, 2)} == {"worker_died"}


def test_a_sample_error_is_the_result() -> None:
    error = with_neighbours(("sample error",))
    assert (error.error, error.message) == ("no_video", "no picture in it")


def test_a_defect_costs_one_task_and_is_named() -> None:
    error = with_neighbours(("raise", ZeroDivisionError("by zero")))
    assert error.error == "internal_error"
    assert error.message.startswith("ZeroDivisionError: by zero (a defect of Polymill")


def test_a_worker_without_memory_says_so() -> None:
    assert with_neighbours(("raise", MemoryError())).error == "out_of_memory"


def test_a_result_that_cannot_be_sent_costs_one_task() -> None:
    error = with_neighbours(("unpicklable",))
    assert isinstance(error, SampleError)


def test_what_libraries_print_does_not_disturb() -> None:
    assert with_neighbours(("print",)) == "talked"


def test_a_job_error_ends_the_whole_run() -> None:
    with pytest.raises(JobError, match="the disk is full"):
        run([("return", 1), ("job error",), ("return", 2)])


def test_a_worker_that_cannot_start_ends_the_run_with_a_word() -> None:
    with pytest.raises(JobError, match="a worker process ended with status 1 while it started; its output says why"):
        run([("return", 1)], function="tests.pool_tasks:no_such_function")


def test_a_missing_package_ends_the_run_and_is_named() -> None:
    with pytest.raises(ImportError) as error:
        run([("return", 1)], function="no_such_package.sample:make")
    assert error.value.name == "no_such_package"


def test_workers_that_are_killed_while_they_start_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stillborn(worker_pool._Worker):
        def __init__(self, function: str) -> None:
            super().__init__(function)
            self.process.kill()

    monkeypatch.setattr(worker_pool, "_Worker", Stillborn)
    with pytest.raises(JobError, match="killed while they start: is there enough memory"):
        run([("return", 1)], workers=1)


def test_a_worker_killed_while_it_starts_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    born: list[int] = []

    class FirstStillborn(worker_pool._Worker):
        def __init__(self, function: str) -> None:
            super().__init__(function)
            if not born:
                self.process.kill()
            born.append(self.process.pid)

    monkeypatch.setattr(worker_pool, "_Worker", FirstStillborn)
    assert run([("return", 1)], workers=1) == {0: 1}
    assert len(born) == 2


def test_a_worker_killed_between_two_tasks_costs_nothing_but_perhaps_the_next() -> None:
    tasks = [("pid", 0.0), ("return", 1), ("return", 2)]
    results = run_tasks(ACT, tasks, workers=1, timeout_s=60)
    _, pid = next(results)
    os.kill(pid, signal.SIGKILL)
    rest = [result for _, result in results]
    died = [result for result in rest if isinstance(result, SampleError)]
    assert len(rest) == 2
    assert len(died) <= 1
    assert all(result.error == "worker_died" for result in died)
    assert set(rest) - set(died) <= {1, 2}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_for(what: Any, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that runs two hanging tasks; its workers' pids lie in `0` and `1`."""
    code = (
        "from scripts.shared.worker_pool import run_groups, run_tasks\n"
        f"tasks = [('hang', r'{tmp_path}/' + str(n)) for n in range(2)]\n"
        f"print(list(run_tasks('{ACT}', tasks, workers=2, timeout_s=100)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, text=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(parent: "subprocess.Popen[str]", tmp_path: Path, sign: int) -> None:
    pids = [
        int(wait_for(lambda n=n: (tmp_path / str(n)).exists() and (tmp_path / str(n)).read_text())) for n in range(2)
    ]
    assert all(map(alive, pids))
    parent.send_signal(sign)
    parent.wait(timeout=30)
    wait_for(lambda: not any(map(alive, pids)))


def test_a_pause_longer_than_the_time_limit_fails_no_task(tmp_path: Path) -> None:
    code = (
        "from scripts.shared.worker_pool import run_groups, run_tasks\n"
        f"tasks = [(r'{tmp_path}/' + str(n), n) for n in range(2)]\n"
        "function = 'tests.pool_tasks:sleep_and_count'\n"
        "print(sorted(result for _, result in run_tasks(function, tasks, workers=2, timeout_s=4)))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, text=True, stdout=subprocess.PIPE, start_new_session=True
    )
    wait_for(lambda: (tmp_path / "0").exists() and (tmp_path / "1").exists())
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(6)
    os.killpg(process.pid, signal.SIGCONT)
    printed, _ = process.communicate(timeout=60)
    assert printed == "[0, 1]\n"


def test_a_worker_that_is_stopped_alone_is_not_out_of_time(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    threading.Timer(2.5, lambda: os.kill(int(pid.read_text()), signal.SIGCONT)).start()
    assert run([("stand still", str(pid))], workers=1, timeout_s=1) == {0: "went on"}


def test_a_scheduler_that_tells_all_processes_to_end_costs_no_task() -> None:
    assert with_neighbours(("told to end",)) == "ended its work"


def test_a_request_to_stop_starts_no_task_more_and_ends_those_in_hand() -> None:
    tasks: list[Any] = [("pid", 0.1 + number / 1000) for number in range(10)]
    results: list[Any] = []
    for _, result in run_tasks(ACT, tasks, workers=2, timeout_s=60, stop=lambda: len(results) >= 3):
        results.append(result)
    assert 3 <= len(results) <= 6  # two may end at once, and two more are in hand then
    assert not any(isinstance(result, SampleError) for result in results)


def test_a_request_to_stop_before_the_first_task_starts_none() -> None:
    assert list(run_tasks("no.such:module", [("return", 1)], workers=2, timeout_s=60, stop=lambda: True)) == []


def test_workers_compute_with_one_thread(tmp_path: Path) -> None:
    assert run([("return", 1)], function="tests.pool_tasks:act") == {0: 1}
    assert worker_pool._ONE_THREAD["OMP_NUM_THREADS"] == "1"


TOGETHER = "tests.pool_tasks:act_together"


def run_together(groups: list[list[Any]], *, workers: int = 1, timeout_s: float = 60) -> dict[int, Any]:
    """What became of each task, by its place among all of them."""
    numbered = {id(task): number for number, task in enumerate(task for group in groups for task in group)}
    results = list(run_groups(TOGETHER, groups, workers=workers, timeout_s=timeout_s))
    assert len(results) == len(numbered)
    return {numbered[id(task)]: result for task, result in results}


def group_with(task: tuple[Any, ...], **named: Any) -> Any:
    """The result of a task in a group of four, of which the others and those of the next group must all be made."""
    first: list[Any] = [("return", 0), ("return", 1), task, ("return", 3)]
    results = run_together([first, [("return", 4), ("return", 5)]], **named)
    deviant = results.pop(2)
    assert results == {number: number for number in (0, 1, 3, 4, 5)}
    return deviant


def test_tasks_of_a_group_are_done_at_once_in_one_worker() -> None:
    results = run_together([[("pid", 0.01), ("pid", 0.02)], [("pid", 0.03), ("pid", 0.04)]], workers=2)
    assert results[0] == results[1]
    assert results[2] == results[3]


def test_groups_may_be_of_any_size_and_none() -> None:
    assert run_together([[("return", 0)], [("return", 1), ("return", 2)]], workers=3) == {0: 0, 1: 1, 2: 2}
    assert run_together([]) == {}


@pytest.mark.parametrize(
    ("task", "error"),
    [
        (("killed",), "worker_died"),
        (("exit", 3), "worker_died"),
        (("raise", ZeroDivisionError("by zero")), "internal_error"),
        (("raise", MemoryError()), "out_of_memory"),
        (("sample error",), "no_video"),
        (("spoilt",), "spoilt"),
        (("unpicklable",), "worker_died"),
    ],
)
def test_of_a_group_only_the_guilty_task_fails(task: tuple[Any, ...], error: str) -> None:
    assert group_with(task).error == error


def test_a_hanging_group_is_given_as_many_times_the_time_as_it_has_tasks(tmp_path: Path) -> None:
    began = time.monotonic()
    error = group_with(("hang", str(tmp_path / "pid")), timeout_s=1.0)
    assert (error.error, error.message) == ("timeout", "took more than sample_timeout_s = 1 s")
    assert time.monotonic() - began > 4 + 1


def test_a_slow_group_has_the_time_of_all_its_tasks() -> None:
    results = run_together([[("pid", 0.6), ("pid", 0.6001), ("pid", 0.6002)]], timeout_s=1.2)
    assert len(set(results.values())) == 1


def test_two_guilty_tasks_of_one_group_both_fail_and_no_other() -> None:
    results = run_together([[("killed", 0), ("return", 1), ("raise", KeyError("k")), ("return", 3)]])
    assert (results[0].error, results[1], results[2].error, results[3]) == ("worker_died", 1, "internal_error", 3)


def test_a_job_error_in_a_group_ends_the_whole_run() -> None:
    with pytest.raises(JobError, match="the disk is full"):
        run_together([[("return", 1), ("job error",)], [("return", 2)]])


def test_no_group_is_begun_after_a_request_to_stop_and_none_that_failed_is_begun_again() -> None:
    asked: list[bool] = []
    groups: list[list[Any]] = [[("return", 0), ("return", 1)], [("killed",), ("return", 3)], [("return", 4)]]
    results = []
    for _, result in run_groups(TOGETHER, groups, workers=1, timeout_s=60, stop=lambda: bool(asked)):
        results.append(result)
        if result == 1:
            asked.append(True)  # the next group has not begun
    assert results == [0, 1]
    asked.clear()
    results = []
    for _, result in run_groups(TOGETHER, groups[1:], workers=1, timeout_s=60, stop=lambda: bool(asked) or _ask(asked)):
        results.append(result)
    assert results == []


def _ask(asked: list[bool]) -> bool:
    """No at first, and yes ever after."""
    asked.append(True)
    return False
