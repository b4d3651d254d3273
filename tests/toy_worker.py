"""A process of a training as `launch` starts it, that only meets what it is told to. Light: no torch.

python -m tests.toy_worker SETTINGS.json
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from scripts.shared.errors import ConfigError, StoppedError
from scripts.shared.stop_request import StopRequest
from scripts.shared.training.launch import worker_main


def meet(settings: Path) -> None:
    asked = json.loads(settings.read_text(encoding="utf-8"))
    rank, n = os.environ["RANK"], os.environ["WORLD_SIZE"]
    print(f"I am {rank} of {n}", flush=True)
    what = asked.get(rank, "waits")
    settings.with_name(f"pid.{rank}").write_text(str(os.getpid()))
    if what == "early":  # as one that imports for long
        Path(asked["told"]).touch()
        time.sleep(60)
    with StopRequest(settings.with_name("stop")) as stop:
        if "told" in asked:
            Path(asked["told"]).with_suffix(f".{rank}").write_text(str(os.getpid()))
        if what == "defect":
            raise ZeroDivisionError("by zero, of all things")
        if what == "config":
            raise ConfigError("teacher.npz: made of other pictures; make it again")
        if what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "exits":
            sys.exit(9)
        if what == "loses a partner":  # as gloo does when the partner is gone
            while not is_gone(settings.with_name(f"pid.{1 - int(rank)}")):
                time.sleep(0.01)
            raise RuntimeError("Connection closed by peer")
        while what == "lingers" and not settings.with_name("go").exists():  # as one that writes a large checkpoint
            time.sleep(0.01)
        while what == "waits" and not stop():
            time.sleep(0.01)
        if what == "waits":
            settings.with_name(f"checkpoint.{rank}").touch()
            raise StoppedError("[toy] asked to end by " + stop.by)


def is_gone(pid: Path) -> bool:
    """Whether a process that wrote its number has ended."""
    try:
        os.kill(int(pid.read_text()), 0)
    except ProcessLookupError:
        return True
    except (FileNotFoundError, ValueError):  # yet to be written
        return False
    return False


if __name__ == "__main__":
    worker_main(meet)
