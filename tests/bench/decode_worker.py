"""One decoder of the comparison, in a process of its own: paths come in as lines, figures go out as JSON lines.

    python decode_worker.py TOOL

It runs with the project's Python, or with that of the peers' environment, which has none of the project.
Importing is not counted; the first clip warms caches up and is asked for twice by the caller.
"""

import hashlib
import json
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH, N_FRAMES = 160, 256, 16
Decode = Callable[[str], tuple[Sequence[NDArray[np.uint8]], float]]  # path -> frames, CPU seconds


def spread(n: int) -> NDArray[np.int64]:
    return np.linspace(0, n - 1, N_FRAMES).astype(np.int64)


def cpu_s() -> float:
    """CPU seconds of this process and its children so far."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def of_project(decoder: str) -> Decode:
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from scripts.shared.video.frames import read_frames

    def run(path: str) -> tuple[Sequence[NDArray[np.uint8]], float]:
        before = cpu_s()
        got = read_frames(Path(path), spread, height=HEIGHT, width=WIDTH, decoder=decoder)
        return list(got.frames), cpu_s() - before

    return run


def same_packets() -> Decode:
    """Only `decode` of the packets that a plan sends: no opening, no demuxing, no planning, no scaling."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from scripts.shared.video.packets import plan_runs, presentation_order
    from scripts.shared.video.scan import scan_packets
    from scripts.shared.video.source import VideoFile

    def run(path: str) -> tuple[Sequence[NDArray[np.uint8]], float]:
        with VideoFile(Path(path)) as video, video.open_stream() as (container, stream):
            scan = scan_packets(video, container, stream)
            decoder = stream.codec_context
            order = presentation_order(scan.table, reorder_depth=decoder.reorder_depth)
            assert scan.packets is not None
            runs = plan_runs(scan.table, [order[number] for number in spread(len(order))])
            before = cpu_s()
            for stretch in runs:
                for number in stretch.send:
                    decoder.decode(scan.packets[number])
                decoder.decode(None)
                decoder.flush_buffers()
            return [], cpu_s() - before

    return run


def sequential() -> Decode:
    """PyAV as its documentation has it: count by demuxing, decode everything, keep what is wanted."""
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    flags = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT

    def run(path: str) -> tuple[Sequence[NDArray[np.uint8]], float]:
        before = cpu_s()
        scaler = VideoReformatter()
        with av.open(path) as container:
            n_frames = sum(1 for packet in container.demux(video=0) if packet.size)
        wanted = set(spread(n_frames).tolist())
        frames = []
        with av.open(path) as container:
            container.streams.video[0].codec_context.thread_type = "NONE"
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    small = scaler.reformat(frame, WIDTH, HEIGHT, "rgb24", interpolation=flags, threads=1)
                    frames.append(np.asarray(small.to_ndarray(), dtype=np.uint8))
        return frames, cpu_s() - before

    return run


def decord() -> Decode:
    from decord import VideoReader, cpu

    def run(path: str) -> tuple[Sequence[NDArray[np.uint8]], float]:
        before = cpu_s()
        reader = VideoReader(path, ctx=cpu(0), num_threads=1, width=WIDTH, height=HEIGHT)
        frames = reader.get_batch(spread(len(reader))).asnumpy()
        return frames, cpu_s() - before

    return run


def torchcodec() -> Decode:
    import torch
    from torchcodec.decoders import VideoDecoder

    torch.set_num_threads(1)

    def run(path: str) -> tuple[Sequence[NDArray[np.uint8]], float]:
        before = cpu_s()
        decoder = VideoDecoder(path, num_ffmpeg_threads=1, dimension_order="NHWC", seek_mode="exact")
        frames = decoder.get_frames_at(spread(len(decoder)).tolist()).data.numpy()
        return frames, cpu_s() - before

    return run


TOOLS = {
    "ours": lambda: of_project("cpu"),
    "opencv": lambda: of_project("opencv"),
    "packets": same_packets,
    "sequential": sequential,
    "decord": decord,
    "torchcodec": torchcodec,
}


def burnt_number(frame: NDArray[np.uint8]) -> int:
    """The number that corpus.py put into a (height, width, 3) frame of any size."""
    height, width = frame.shape[:2]
    row = frame[max(height // 72, 1) : height // 18].mean(axis=(0, 2))
    edges = np.arange(16) * width / 16
    bits = [row[int(edge + 0.3 * width / 16) : int(edge + 0.7 * width / 16) + 1].mean() > 128 for edge in edges]
    return int(sum(bit << (15 - place) for place, bit in enumerate(bits)))


def peak_kib() -> int:
    """Peak resident memory of this process; getrusage would give that of the bench that started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


def main() -> None:
    run = TOOLS[sys.argv[1]]()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        frames, seconds = run(line.rstrip("\n"))
        answer = {
            "cpu_s": seconds,
            "numbers": [burnt_number(np.asarray(frame)) for frame in frames],
            "digest": hashlib.blake2b(np.ascontiguousarray(frames).tobytes(), digest_size=8).hexdigest(),
            "peak_mib": peak_kib() / 1024,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
