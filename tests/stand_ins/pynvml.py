"""Stands in for NVIDIA's library on a machine without GPUs: put this folder on the path, and name the devices.

POLYMILL_FAKE_GPUS holds their UUIDs, parted by commas; `lost` stands for one that fell off its bus.
"""

import os
from types import SimpleNamespace


class NVMLError(Exception):
    pass


def _uuids() -> list[str]:
    return [uuid for uuid in os.environ.get("POLYMILL_FAKE_GPUS", "").split(",") if uuid]


def nvmlInit() -> None:  # noqa: N802 - names of the library
    if not _uuids():
        raise NVMLError("no driver")


def nvmlShutdown() -> None:  # noqa: N802
    pass


def nvmlDeviceGetCount() -> int:  # noqa: N802
    return len(_uuids())


def nvmlDeviceGetHandleByIndex(index: int) -> str:  # noqa: N802
    if _uuids()[index] == "lost":
        raise NVMLError("GPU is lost")
    return _uuids()[index]


def nvmlDeviceGetUUID(handle: str) -> str:  # noqa: N802
    return handle


def nvmlDeviceGetName(handle: str) -> bytes:  # noqa: N802
    return b"Fake 1000"


def nvmlDeviceGetMemoryInfo(handle: str) -> SimpleNamespace:  # noqa: N802
    return SimpleNamespace(total=8 << 30, used=1 << 30)


def nvmlDeviceGetDecoderUtilization(handle: str) -> list[int]:  # noqa: N802
    return [50, 0]
