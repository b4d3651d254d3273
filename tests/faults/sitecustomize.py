"""Loaded by every Python process of a run under test: counts what it does to results and work, and strikes once.

POLYMILL_FAULT is a JSON object:
    counter: a file that all processes of the run share, an event a line;
    folders: only what happens below these counts;
    at: the number of the event to strike at, -1 for none;
    how: `before` or `after` the event, or `torn`: after half of what it writes;
    who: `self`, `group` (the plug is pulled), or `full` (not killed: the disk is full from here on).
"""

import errno
import fcntl
import json
import os
import signal
import sys

_real_write, _real_fsync = os.write, os.fsync


def _install(fault):
    folders = tuple(os.path.join(os.path.abspath(folder), "") for folder in fault["folders"])

    def concerns(path, dir_fd=None):
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        path = os.fsdecode(path)
        if dir_fd is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        path = os.path.abspath(path)
        return path if path.startswith(folders) else None

    def count(name, path):
        """The number of this event, over all processes."""
        with open(fault["counter"], "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            number = file.read().count(b"\n")
            role = "worker" if "worker_process" in " ".join(sys.orig_argv) else os.path.basename(sys.argv[0])
            _real_write(file.fileno(), f"{number} {role} {name} {path}\n".encode())
        return number

    def strike():
        with open(fault["counter"] + ".struck", "w") as file:
            file.write("worker" if "worker_process" in " ".join(sys.orig_argv) else "other")
        if fault["who"] == "group":
            os.killpg(os.getpgid(0), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def wrap(name):
        real = getattr(os, name)

        def wrapped(path, *arguments, **named):
            concerned = concerns(path, named.get("dir_fd"))
            if concerned is None:
                return real(path, *arguments, **named)
            number = count(name, concerned)
            if fault["who"] == "full":
                if number >= fault["at"] >= 0 and name in ("write", "fsync", "mkdir", "open"):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), concerned)
                return real(path, *arguments, **named)
            if number == fault["at"]:
                if fault["how"] == "torn" and name == "write":
                    _real_write(path, arguments[0][: len(arguments[0]) // 2])
                if fault["how"] != "after":
                    strike()
                real(path, *arguments, **named)
                strike()
            return real(path, *arguments, **named)

        setattr(os, name, wrapped)

    for name in ("replace", "rename", "unlink", "remove", "rmdir", "write", "fsync"):
        wrap(name)


if "POLYMILL_FAULT" in os.environ:
    _install(json.loads(os.environ["POLYMILL_FAULT"]))
