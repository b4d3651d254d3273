"""What a worker answers where a task fails: whose fault it is."""

import errno
from typing import Any

import pytest

from scripts.shared.errors import JobError, SampleError
from scripts.shared.worker_process import _answer


def refused(number: int) -> SampleError:
    error = SampleError("unreadable", "a.wav: refused")
    error.__cause__ = OSError(number, "refused", "a.wav")
    return error


def raising(error: BaseException) -> Any:
    def function(_task: Any) -> Any:
        raise error

    return function


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ENOTCONN, errno.EMFILE])
def test_what_a_mount_or_the_machine_refuses_ends_the_job(number: int) -> None:
    for function in (
        raising(refused(number)),
        raising(OSError(number, "refused", "a.wav")),
        lambda tasks: [*tasks, refused(number)],  # of a group
    ):
        kind, error = _answer(function, ["a"])
        assert kind == "stop"
        assert isinstance(error, JobError)
        assert str(error).startswith("a.wav: refused; ")


def test_what_is_wrong_with_a_file_is_its_samples_fault() -> None:
    error = refused(errno.EIO)
    assert _answer(raising(error), "a") == ("failed", error)
    assert _answer(lambda tasks: [*tasks, error], ["a"]) == ("done", ["a", error])
