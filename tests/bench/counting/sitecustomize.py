"""Counts the files that a Python process opens, the folders that it lists and the files that it asks about.

Loaded by every process whose PYTHONPATH names this folder. At its end each adds a line to the file that POLYMILL_COUNTS
names: opened, listed, asked. Programs are left out: Python, its packages and Polymill's own text.
"""

import atexit
import os
import sys
from collections import Counter
from pathlib import Path

_PROGRAM = (sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parents[3]), "/proc/", "/sys/", "/dev/", "/etc/")
_EVENTS = {"open": "open", "os.scandir": "list", "os.listdir": "list"}
_counts: "Counter[str]" = Counter()


def _count(kind, path):
    if not (isinstance(path, str) and path.startswith(_PROGRAM)) and not isinstance(path, int):
        _counts[kind] += 1


def _hook(event, arguments):
    if event in _EVENTS:
        path = arguments[0]
        _count(_EVENTS[event], os.fspath(path) if isinstance(path, os.PathLike) else path)


def _counted(function):
    def ask(path, *arguments, **named):
        _count("stat", os.fspath(path) if isinstance(path, os.PathLike) else path)
        return function(path, *arguments, **named)

    return ask


def _tell():
    line = " ".join(str(_counts[kind]) for kind in ("open", "list", "stat")) + "\n"
    descriptor = os.open(os.environ["POLYMILL_COUNTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


if "POLYMILL_COUNTS" in os.environ:
    os.stat, os.lstat = _counted(os.stat), _counted(os.lstat)
    sys.addaudithook(_hook)
    atexit.register(_tell)
