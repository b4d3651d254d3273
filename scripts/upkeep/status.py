"""How far everything is: `make status`, `WATCH=10 make status`.

python -m scripts.upkeep.status [--configfile FILE] [--watch SECONDS]
"""

import argparse
import math
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.shared.config import SHIPPED_CONFIG, read_config
from scripts.shared.errors import ConfigError
from scripts.upkeep.dataset_status import StatusReader
from scripts.upkeep.gpus import read_gpus
from scripts.upkeep.machine import read_disks, read_machine
from scripts.upkeep.run_status import read_runs
from scripts.upkeep.status_screen import render

_CLEAR = "\033[H\033[2J"


def screen(config: Mapping[str, Any], reader: StatusReader, *, colour: bool) -> str:
    """The whole status as text."""
    stages, now = reader.read_all(config), time.time()
    runs = read_runs(config, now=now)
    folders = [*(stage.folder for stage in stages), *(run.folder for run in runs)]
    disks = read_disks([Path(config["results_dir"]), *filter(None, folders)])
    return render(stages, read_machine(), disks, read_gpus(), now=now, colour=colour, runs=runs)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no time that can be waited; give seconds, such as 10")
    return seconds


def main(arguments: Sequence[str]) -> int:
    """Print the status, once or again and again until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make status", description="How far everything is.")
    parser.add_argument("--configfile", type=Path, default=SHIPPED_CONFIG, help="the configuration of the run")
    parser.add_argument("--watch", type=_seconds, metavar="SECONDS", help="again every so many seconds, until Ctrl-C")
    chosen = parser.parse_args(arguments)
    terminal = sys.stdout.isatty()
    reader = StatusReader()
    try:
        config = read_config(chosen.configfile)
        while True:
            text = screen(config, reader, colour=terminal)
            sys.stdout.write(_CLEAR + text if terminal and chosen.watch else text)
            sys.stdout.flush()
            if not chosen.watch:
                return 0
            time.sleep(chosen.watch)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for `| head`
    sys.exit(main(sys.argv[1:]))
