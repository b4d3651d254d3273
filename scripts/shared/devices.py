"""The GPUs of this machine, found without loading a CUDA library."""

import os
import subprocess

_QUERY = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
_ANSWER_WITHIN_S = 10


def visible_gpus(wanted: str | list[int]) -> list[str]:
    """The devices that jobs may use, as `CUDA_VISIBLE_DEVICES` names them.

    Args:
        wanted: `auto` for all, or the numbers of those to use.

    Returns:
        Those of the machine that `CUDA_VISIBLE_DEVICES`, where set, and `wanted` leave.
    """
    if wanted == []:
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = _all_gpus() if visible is None else [name.strip() for name in visible.split(",") if name.strip()]
    return devices if wanted == "auto" else [device for device in devices if device in map(str, wanted)]


def _all_gpus() -> list[str]:
    try:
        answer = subprocess.run(_QUERY, capture_output=True, text=True, check=True, timeout=_ANSWER_WITHIN_S)
    except (OSError, subprocess.SubprocessError):
        return []  # no driver, or one that does not answer
    return answer.stdout.split()
