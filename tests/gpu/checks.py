"""The checks: functions of a folder for clips, which raise AssertionError, and return what they saw in words."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av.error
import numpy as np

from scripts.shared import devices
from scripts.shared.video import frames as frames_module
from scripts.shared.video import nvdec
from scripts.shared.video.frames import DecodedFrames, read_frames
from scripts.shared.video.nvdec import Card
from tests.gpu.clips import ENCODINGS, encode, made
from tests.soft_card import Factory, fail_at

N_CLIPS_WITHOUT_A_LEAK = 50
_LEAK_BYTES = 64 << 20


def why_no_gpu() -> str | None:
    """Why nothing can be checked here; None where a GPU answers."""
    if not devices.visible():
        return "no GPU answers: no driver, nvidia-ml-py is missing, or CUDA_VISIBLE_DEVICES hides it"
    try:
        nvdec.hardware_context("h264")
    except (av.error.FFmpegError, NotImplementedError) as error:
        return f"no GPU answers: CUDA does not start ({error})"
    return None


def uniform(n: int) -> Any:
    return np.linspace(0, n - 1, 16, dtype=np.int64)


def read(path: Path, decoder: str, scaler: str = "swscale") -> DecodedFrames:
    return read_frames(path, uniform, height=160, width=256, scaler=scaler, decoder=decoder)


def with_card(card: Card) -> Card:
    """Make a card that of this process."""
    frames_module.this_card = lambda: card  # type: ignore[assignment]
    return card


def scalers() -> list[str]:
    """Those that can be had: OpenCV need not be there."""
    try:
        import cv2  # noqa: F401
    except ImportError:
        return ["swscale"]
    return ["swscale", "cv2"]


def check_bytes(folder: Path) -> str:
    """Each clip gives the bytes of the CPU, and those that every card decodes are decoded by it."""
    with_card(Card(nvdec.hardware_context))
    seen: dict[str, int] = {}
    for name, path, decoder in made(folder):
        for scaler in scalers():
            got, expected = read(path, "nvdec", scaler), read(path, "cpu", scaler)
            assert np.array_equal(got.frames, expected.frames), f"{name}, {scaler}: other bytes than the CPU's"
            assert got.pts == expected.pts, f"{name}: other frames than the CPU's"
            assert decoder in (None, got.decoder), f"{name}: decoded by {got.decoder} ({got.why_cpu})"
        seen[got.decoder] = seen.get(got.decoder, 0) + 1
    return ", ".join(f"{count} clips by {decoder}" for decoder, count in seen.items())


def check_decoders_are_kept(folder: Path) -> str:
    """A decoder serves the clips of its kind one after the other, also after one that ended early."""
    path = folder / "kept.mp4"
    encode(path, ENCODINGS["h264"])
    expected = read(path, "cpu")
    drop = [30]

    def spoil(number: int, frames: list[Any]) -> list[Any]:
        if drop and number > drop[0] and frames:
            drop.clear()
            return []  # one frame is lost, and its clip goes to the CPU
        return frames

    factory = Factory(spoil, nvdec.hardware_context)
    with_card(Card(factory))
    decoders = []
    for _ in range(6):
        got = read(path, "nvdec")
        decoders.append(got.decoder)
        assert np.array_equal(got.frames, expected.frames), "other bytes than the CPU's"
    assert sorted(decoders) == ["cpu", *["nvdec"] * 5], decoders
    assert factory.made == ["h264"], factory.made
    return "6 clips, 1 decoder"


def check_memory_stays(folder: Path) -> str:
    """Fifty clips of more kinds than are kept take no more of the card's memory than ten."""
    card = with_card(Card(nvdec.hardware_context))
    paths = [path for _, path, decoder in made(folder) if decoder == "nvdec"]
    used = []
    for number in range(10 + N_CLIPS_WITHOUT_A_LEAK):
        read(paths[number % len(paths)], "nvdec")
        used.append(_used_bytes())
    assert card is frames_module.this_card()
    growth = max(used[-len(paths) :]) - max(used[: len(paths)])
    assert growth < _LEAK_BYTES, f"{growth >> 20} MiB more after {N_CLIPS_WITHOUT_A_LEAK} clips"
    return f"{max(used) >> 20} MiB in use at most, {growth >> 20} MiB growth"


def _used_bytes() -> int:
    import pynvml

    pynvml.nvmlInit()
    try:
        device = devices.visible()[0]
        return int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(max(device.index, 0))).used)
    finally:
        pynvml.nvmlShutdown()


def check_a_gpu_that_vanishes(folder: Path) -> str:
    """Errors of the card in mid run cost no clip, and it is not asked again."""
    path = folder / "vanish.mp4"
    encode(path, ENCODINGS["h264"])
    expected = read(path, "cpu")
    factory = Factory(fail_at(20, av.error.ExternalError), nvdec.hardware_context)
    with_card(Card(factory))
    for _ in range(3):
        got = read(path, "nvdec")
        assert np.array_equal(got.frames, expected.frames), "other bytes than the CPU's"
        assert got.why_cpu == "the GPU answers no more (made to fail)", got.why_cpu
    assert len(factory.made) == 1
    return "3 clips by the CPU"


def check_a_lease_names_the_device(_: Path) -> str:
    """Inside a lease CUDA sees one device, by its UUID."""
    with devices.lease(1) as held:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == held[0].uuid or "SLURM_JOB_ID" in os.environ
        nvdec.hardware_context("h264")
    return held[0].name


CHECKS: tuple[Callable[[Path], str], ...] = (
    check_a_lease_names_the_device,
    check_bytes,
    check_decoders_are_kept,
    check_memory_stays,
    check_a_gpu_that_vanishes,
)
