"""The `snakemake` command without its imports: a process that has made them, and a copy of it for each command.

Importing Snakemake and its plugins takes more than a second, and the tests run the command hundreds of times.
`snakemake_run.py` starts this file with a socket as its input and asks for a command with a message of JSON and where
to print to; the answer is two messages, the number of the command's process and how it ended, as `subprocess` counts.
That process has a session, a folder and an environment of its own, runs what the installed `snakemake` runs, and
imports the project itself as that does.
"""

import gc
import importlib
import json
import os
import site
import socket
import sys
from typing import Any

from snakemake.cli import get_argument_parser, main  # noqa: TID251 - it is the command

LATER = ("jsonschema", "nbformat", "orjson", "smart_open")  # imported by the command only when it needs them
LONGEST = 1 << 20  # bytes of a message


def become(order: dict[str, Any], output: int) -> None:
    """Make this copy the process that a shell would have started."""
    os.setsid()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = order["command"]
    sys.path[0] = os.path.dirname(sys.argv[0])
    if "PYTHONPATH" in os.environ:  # what an interpreter begins with
        sys.path[1:1] = os.environ["PYTHONPATH"].split(os.pathsep)
        sys.modules.pop("sitecustomize", None)
        site.execsitecustomize()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, opened in enumerate((nothing, output, output)):
        os.dup2(opened, number)
    os.close(nothing)
    os.close(output)


def serve(asking: socket.socket) -> None:
    while True:
        message, outputs, _, _ = socket.recv_fds(asking, LONGEST, 1)
        if not message:
            return
        if (pid := os.fork()) == 0:
            asking.detach()
            become(json.loads(message), *outputs)
            sys.exit(main())
        os.close(*outputs)
        asking.send(str(pid).encode())
        asking.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


if __name__ == "__main__":
    get_argument_parser()  # which imports the plugins
    for name in LATER:
        importlib.import_module(name)
    gc.freeze()  # else each copy searches through all that is imported
    serve(socket.socket(fileno=0))
