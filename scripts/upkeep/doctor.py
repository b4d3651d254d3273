"""Is all as a run needs it? `make doctor`: a line for each thing looked at, exit status 1 where one is wrong.

python -m scripts.upkeep.doctor [--configfile FILE]

The text names neither user nor machine, so that it can be pasted into a bug report.
"""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.shared.config import SHIPPED_CONFIG, read_config, read_schema
from scripts.shared.errors import ConfigError
from scripts.systems import SYSTEMS
from scripts.upkeep.check_configuration import check_paths, check_plans
from scripts.upkeep.check_environment import check_ffmpeg, check_gpus, check_libraries, check_packages, check_versions
from scripts.upkeep.findings import Finding, concealer
from scripts.upkeep.gpus import read_gpus
from scripts.upkeep.machine import read_machine


def look(config_path: Path) -> Iterator[Finding]:
    """Yield all findings, those that the machine is asked for first."""
    yield from check_versions(read_machine())
    try:
        config = read_config(config_path)
    except ConfigError as error:
        yield from check_packages(["base"])
        yield from (Finding("WRONG", line) for line in str(error).splitlines())
        return
    used = [system for system in SYSTEMS if config[system]["datasets"] or config[system].get("runs")]
    yield from check_packages(["base", *used])
    yield from check_libraries()
    yield from check_gpus(read_gpus())
    yield check_ffmpeg()
    yield from check_paths(config, read_schema())
    yield from check_plans(config)


def main(arguments: Sequence[str]) -> int:
    """Print the findings and what they come to."""
    parser = argparse.ArgumentParser(prog="make doctor", description="Is all as a run needs it?")
    parser.add_argument("--configfile", type=Path, default=SHIPPED_CONFIG, help="the configuration of the run")
    chosen = parser.parse_args(arguments)
    conceal = concealer()
    levels = []
    for finding in look(chosen.configfile):
        levels.append(finding.level)
        sys.stdout.write(finding.line(conceal) + "\n")
        sys.stdout.flush()
    n_wrong, n_warnings = levels.count("WRONG"), levels.count("WARNING")
    sys.stdout.write(f"{n_wrong} wrong, {n_warnings} warnings\n" if n_wrong or n_warnings else "all well\n")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for `| head`
    sys.exit(main(sys.argv[1:]))
