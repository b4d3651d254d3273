"""Run every check of the GPU without pytest: python -m tests.gpu. POLYMILL_REQUIRE_GPU=1 fails where there is none."""

import importlib
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

SUITES = (
    *("tests.gpu.checks", "tests.gpu.speaker_checks", "tests.gpu.pose_checks", "tests.gpu.cnclip_checks"),
    *("tests.gpu.cnclip_export_checks", "tests.gpu.fgclip_checks", "tests.gpu.search_checks"),
)


def main() -> int:
    """Print a line a check; 1 where one fails."""
    n_failed = 0
    for name in SUITES:
        try:
            suite = importlib.import_module(name)
            why = suite.why_no_gpu()
        except ImportError as error:
            why = _missing(error)
        if why:
            n_failed += _skip(why)
            continue
        with tempfile.TemporaryDirectory() as folder:
            n_failed += sum(_fails(check, Path(folder)) for check in suite.CHECKS)
    return int(n_failed > 0)


def _fails(check: Callable[[Path], str], folder: Path) -> bool:
    started = time.monotonic()
    failed = False
    try:
        seen = check(folder)
    except ImportError as error:
        return _skip(f"{check.__name__}: {_missing(error)}")
    except Exception:  # noqa: BLE001 - the other checks still say something
        traceback.print_exc()
        seen, failed = "FAILED", True
    print(f"{check.__name__}: {seen} ({time.monotonic() - started:.1f} s)", flush=True)
    return failed


def _missing(error: ImportError) -> str:
    return f"the Python package {error.name} is missing: bring it along"


def _skip(why: str) -> bool:
    """Say why something is not checked; whether that is a failure."""
    required = bool(os.environ.get("POLYMILL_REQUIRE_GPU"))
    print(f"{'FAILED' if required else 'skipped'}: {why}", flush=True)
    return required


if __name__ == "__main__":
    sys.exit(main())
