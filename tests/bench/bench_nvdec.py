"""Clips a second by the GPU's decoder and by all CPU cores, in turn, on the same clips.

Imports av and numpy alone, so that it runs in any CUDA environment.
"""

import multiprocessing
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from scripts.shared import devices
from scripts.shared.video.frames import read_frames
from tests.bench.corpus import H264_1080P, SETS, clips
from tests.bench.decode_worker import HEIGHT, WIDTH, spread
from tests.bench.table import NotMeasured, Table
from tests.gpu.checks import why_no_gpu

ROUNDS = 3
ENOUGH_S = 10.0  # that a round lasts
KINDS = {
    "H.264 360p": SETS["H.264 360p, GOP 250, cuts"],
    "H.264 720p": SETS["H.264 720p, GOP 250, cuts"],
    "H.264 1080p": H264_1080P,
    "HEVC 360p": SETS["HEVC 360p"],
    "VP9 360p": SETS["VP9 360p"],
}
EMPTY = Table(
    title="Decoding on the GPU",
    about="Sixteen frames of a clip at 160x256, clips a second: by one GPU with a process a CPU core, and by all CPU "
    "cores alone, in turn on the same clips of 10, 16 and 30 s; median of "
    f"{ROUNDS} rounds, starts left out. Decoder use: of the GPU's decoding engines, as its driver says, median of a "
    "look every half second.",
    columns=["clips", "GPU clips/s", "CPU clips/s", "GPU / CPU", "by the GPU", "decoder use"],
    rows=[],
)


def decode(path: str, decoder: str) -> str:
    """Decode one clip; which decoder did it."""
    return read_frames(Path(path), spread, height=HEIGHT, width=WIDTH, decoder=decoder).decoder


class Pool:
    """Processes that decode with one decoder."""

    def __init__(self, n_processes: int, decoder: str) -> None:
        self.n_processes, self.decoder = n_processes, decoder
        self._pool = ProcessPoolExecutor(n_processes, mp_context=multiprocessing.get_context("spawn"))

    def clips_per_s(self, paths: list[Path], n_clips: int) -> tuple[float, Counter[str]]:
        """The rate over so many clips, in turn; and how many each decoder made."""
        started = time.monotonic()
        words = [str(paths[number % len(paths)]) for number in range(n_clips)]
        made = Counter(self._pool.map(decode, words, [self.decoder] * n_clips))
        return n_clips / (time.monotonic() - started), made

    def close(self) -> None:
        self._pool.shutdown()


@contextmanager
def decoder_use(index: int) -> Iterator[list[int]]:
    """Percent of the GPU's decoding engines in use, looked at while the block runs."""
    seen: list[int] = []
    done = threading.Event()

    def look() -> None:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        while not done.wait(0.5):
            with suppress(pynvml.NVMLError):
                seen.append(int(pynvml.nvmlDeviceGetDecoderUtilization(handle)[0]))
        pynvml.nvmlShutdown()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def measure(paths: list[Path], pools: dict[str, Pool], device: devices.Device) -> list[float | str | None]:
    """One row without its name."""
    n_clips = {}
    for name, pool in pools.items():
        pool.clips_per_s(paths, 2 * pool.n_processes)  # each process starts, and meets the clips
        rate, _ = pool.clips_per_s(paths, 2 * pool.n_processes)
        n_clips[name] = max(round(rate * ENOUGH_S), pool.n_processes)
    rates: dict[str, list[float]] = {name: [] for name in pools}
    made: Counter[str] = Counter()
    use: list[int] = []
    for _ in range(ROUNDS):
        for name, pool in pools.items():
            with decoder_use(device.index) as seen:
                rate, decoders = pool.clips_per_s(paths, n_clips[name])
            rates[name].append(rate)
            if pool.decoder == "nvdec":
                made.update(decoders)
                use += seen
    cpu, gpu = (statistics.median(rates[name]) for name in ("cpu", "nvdec"))
    by_gpu = f"{100 * made['nvdec'] / made.total():.0f} %"
    return [gpu, cpu, gpu / cpu, by_gpu, f"{statistics.median(use):.0f} %" if use else None]


def run() -> Table:
    """Measure on the first GPU.

    Raises:
        NotMeasured: none answers.
    """
    if why := why_no_gpu():
        raise NotMeasured(EMPTY, why)
    n_cores = len(os.sched_getaffinity(0))
    with devices.lease(1) as held:
        pools = {name: Pool(n_cores, name) for name in ("cpu", "nvdec")}
        try:
            rows = [[name, *measure(clips(kind), pools, held[0])] for name, kind in KINDS.items()]
        finally:
            for pool in pools.values():
                pool.close()
    return Table(EMPTY.title, EMPTY.about, EMPTY.columns, rows, [f"On one {held[0].name} against {n_cores} CPU cores."])
