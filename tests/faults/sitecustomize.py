"""Loaded by every Python process of a run under test: counts what it does to results and work, and strikes once.

POLYMILL_FAULT is a JSON object, or a list of several:
    counter: a file that all processes of the run share, an event a line;
    folders: only what happens below these counts;
    on: only events whose line holds this text count, where it is given;
    at: the number of the event to strike at, -1 for none;
    how: `before` or `after` the event, or `torn`: after half of what it writes;
    who: `self`, `group` (the plug is pulled), `full` (not killed: the disk is full from here on), or `pause` (not
        killed: it waits there until a file `<counter>.go` appears);
    errno: what a `full` disk answers, `ENOSPC` where it is not given; with `EROFS` and `ESTALE` to all of these events.
"""

import errno as errors
import fcntl
import json
import os
import signal
import sys
import time

WRAPPED = ("replace", "rename", "unlink", "remove", "rmdir", "write", "fsync")
NEED_ROOM = ("write", "fsync")
NOTHING_GOES = (errors.EROFS, errors.ESTALE)
_real_write = os.write


def role():
    return "worker" if "worker_process" in " ".join(sys.orig_argv) else os.path.basename(sys.argv[0])


class Fault:
    def __init__(self, on="", errno="ENOSPC", **fault):
        self.on, self.errno = on, getattr(errors, errno)
        self.counter, self.at, self.how, self.who = (fault[name] for name in ("counter", "at", "how", "who"))
        self.folders = tuple(os.path.join(os.path.abspath(folder), "") for folder in fault["folders"])

    def install(self):
        for name in WRAPPED:
            setattr(os, name, self.wrap(name, getattr(os, name)))

    def wrap(self, name, real):
        def wrapped(path, *arguments, **named):
            concerned = self.concerned(path, named.get("dir_fd"))
            number = self.count(name, concerned) if concerned else -2
            refused = name in NEED_ROOM or self.errno in NOTHING_GOES
            if self.who == "full" and refused and number >= self.at >= 0:
                raise OSError(self.errno, os.strerror(self.errno), concerned)
            strikes = number == self.at and self.who != "full"
            if strikes and self.how == "torn" and name == "write":
                _real_write(path, arguments[0][: len(arguments[0]) // 2])
            if strikes and self.how != "after":
                self.strike()
            result = real(path, *arguments, **named)
            if strikes and self.how == "after":
                self.strike()
            return result

        return wrapped

    def concerned(self, path, dir_fd):
        """The absolute path, None where it lies elsewhere."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        path = os.fsdecode(path)
        if dir_fd is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), path)
        path = os.path.abspath(path)
        return path if path.startswith(self.folders) else None

    def count(self, name, path):
        """The number of this event among those that count, over all processes; -2 where it does not."""
        with open(self.counter, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            lines = file.read().splitlines()
            line = f"{len(lines)} {role()} {name} {path}"
            _real_write(file.fileno(), f"{line}\n".encode())
        return sum(self.on.encode() in other for other in lines) if self.on in line else -2

    def strike(self):
        with open(self.counter + ".new", "w") as file:
            file.write(f"{role()} {os.getpid()}")
        os.link(self.counter + ".new", self.counter + ".struck")  # seen whole or not at all
        if self.who == "pause":
            while not os.path.exists(self.counter + ".go"):
                time.sleep(0.05)
            return
        if self.who == "group":
            os.killpg(os.getpgid(0), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


if "POLYMILL_FAULT" in os.environ:
    given = json.loads(os.environ["POLYMILL_FAULT"])
    for fault in given if isinstance(given, list) else [given]:
        Fault(**fault).install()
