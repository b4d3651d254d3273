"""Run every check of the GPU without pytest: python -m tests.gpu. POLYMILL_REQUIRE_GPU=1 fails where there is none."""

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.gpu.checks import CHECKS, why_no_gpu


def main() -> int:
    """Print a line a check; 1 where one fails."""
    if why := why_no_gpu():
        required = bool(os.environ.get("POLYMILL_REQUIRE_GPU"))
        print(f"{'FAILED' if required else 'skipped'}: {why}")
        return int(required)
    n_failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for check in CHECKS:
            started = time.monotonic()
            try:
                seen = check(Path(folder))
            except Exception:  # noqa: BLE001 - the other checks still say something
                traceback.print_exc()
                seen = "FAILED"
                n_failed += 1
            print(f"{check.__name__}: {seen} ({time.monotonic() - started:.1f} s)", flush=True)
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main())
