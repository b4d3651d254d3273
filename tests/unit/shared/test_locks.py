"""Locks that the kernel releases."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scripts.shared.locks import Holder, LockFile
from tests.snakemake_run import ROOT

HOLD = (
    "import sys, time, subprocess\nfrom pathlib import Path\nfrom scripts.shared.locks import LockFile\n"
    "lock = LockFile(Path(sys.argv[1]))\nassert lock.acquire(wait=False)\n"
    "child = subprocess.Popen(['sleep', '100'])\nprint(child.pid, flush=True)\ntime.sleep(100)\n"
)


def test_a_second_holder_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.lock"
    first = LockFile(path)
    assert first.acquire(wait=False)
    assert not LockFile(path).acquire(wait=False)
    assert LockFile(path).holder() == f"pid {os.getpid()} on {socket.gethostname()}"
    first.release()
    second = LockFile(path)
    assert second.acquire(wait=False)
    second.release()


def test_who_asks_whether_a_lock_is_held_writes_nothing_and_refuses_it_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    assert LockFile(path).is_held() is False
    assert not path.exists()
    lock = LockFile(path)
    lock.acquire(wait=False)
    path.chmod(0o444)
    before = path.stat()
    assert LockFile(path).is_held() is True
    lock.release()
    assert LockFile(path).is_held() is False
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    assert LockFile(path).last_holder() == Holder(socket.gethostname(), os.getpid())
    path.chmod(0o644)
    again = LockFile(path)
    assert again.acquire(wait=False)
    again.release()


def test_where_there_are_no_locks_nobody_can_tell_whether_one_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").touch()

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert LockFile(tmp_path / "lock").is_held() is None


def test_a_killed_holder_lets_go_though_its_child_lives_on(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        lock = LockFile(path)
        assert not lock.acquire(wait=False)
        assert f"pid {process.pid} " in lock.holder()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lock.acquire(wait=False)
        lock.release()
    finally:
        os.kill(child, signal.SIGKILL)
        process.stdout.close()


def test_waiting_ends_when_the_holder_lets_go(tmp_path: Path) -> None:
    first, second = LockFile(tmp_path / "lock"), LockFile(tmp_path / "lock")
    first.acquire(wait=False)
    threading.Thread(target=lambda: (time.sleep(0.3), first.release())).start()
    started = time.monotonic()
    assert second.acquire(wait=True)
    assert time.monotonic() - started > 0.2
    second.release()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_all_get_one_and_know_it(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    one, two = LockFile(tmp_path / "lock"), LockFile(tmp_path / "lock")
    assert one.acquire(wait=False)
    assert two.acquire(wait=True)
    assert not one.supported


def test_other_errors_are_not_taken_for_a_missing_feature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="broken"):
        LockFile(tmp_path / "lock").acquire(wait=False)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', "\x00"])
def test_a_garbled_lock_file_still_locks_and_names_nobody(content: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(content)
    assert LockFile(tmp_path / "lock").holder() == "an unknown process"
    lock = LockFile(tmp_path / "lock")
    assert lock.acquire(wait=False)
    assert str(os.getpid()) in lock.holder()
    lock.release()


def test_releasing_twice_is_nothing(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "lock")
    lock.release()
    lock.acquire(wait=False)
    lock.release()
    lock.release()
