"""One job: says what it sees, holds its GPUs for a moment, and notes it; one called `killed...` dies of it once.

python -m tests.gpu_jobs.job NAME '[K, SLOTS, GPUS]' OUTPUT

POLYMILL_GPU_LOCKS_AT names the folder of the locks. A job ends its hold once POLYMILL_GPU_TOGETHER jobs have begun.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from scripts.shared import devices
from tests.gpu_events import note

LOG = Path("log")


def main() -> None:
    """Be a job."""
    name, (k, slots, gpus), output = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
    told = {
        "named": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "sees": [device.index for device in devices.visible(gpus)],
        "locks": False,
    }
    if k:
        locks = Path(os.environ["POLYMILL_GPU_LOCKS_AT"])
        with devices.lease(k, slots, chosen=gpus, folder=locks) as held:
            note(LOG, "begin", os.getpid(), [device.uuid for device in held], slots)
            told |= {"holds": [device.index for device in held], "locks": bool(devices.held_locks()[0])}
            end = time.monotonic() + 60
            while LOG.read_text().count(" begin ") < int(os.environ.get("POLYMILL_GPU_TOGETHER", "0")):
                if time.monotonic() > end:
                    sys.exit("the others never began")
                time.sleep(0.05)
            time.sleep(0.05)
            note(LOG, "end", os.getpid())
            if name.startswith("killed") and not Path(f"{name}.once").exists():
                Path(f"{name}.once").touch()
                os.kill(os.getpid(), signal.SIGKILL)
    output.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
