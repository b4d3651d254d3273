"""Work of the anomaly detector on the CPU, in one process of one thread; prints what was seen as JSON.

python -m tests.bench.fgclip.cpu_work step FOLDER           CPU seconds of training steps, by way
python -m tests.bench.fgclip.cpu_work scoring FOLDER        CPU seconds of the scores of a video
python -m tests.bench.fgclip.cpu_work memory:8 FOLDER       MiB that a step takes above the model, 8 frames a chunk
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.shared.video.frames import read_frames
from scripts.shared.video.writing import write_h264
from tests.bench.fgclip.guide_order import REGIONS, GuideStep, read_video
from tests.bench.fgclip.training_step import FULL, SIZE, made_up_batch, new_learner, new_model, real_batches, token_ids

CLIPS = Path(__file__).resolve().parents[2] / "data" / "demo" / "fgclip" / "videos"
FPS, SECONDS, HEIGHT, WIDTH = 30, 60, 240, 320
N_FRAMES = FPS * SECONDS
ROUNDS = 1  # beside one that does not count
STEP = replace(FULL, num_frames=8, accumulation=1, precision="fp32", frame_chunk=4)
STRIDE, BATCH, TOP_K = 16, 32, 4


def footage(path: Path, n_frames: int = N_FRAMES) -> None:
    """Write a video of real footage: the demo's clips one after the other, and from the start again."""
    write_h264(path, _pictures(n_frames), fps=FPS, options={"preset": "veryfast", "crf": "26"})


def _pictures(n: int) -> Iterator[np.ndarray]:
    given = 0
    while True:
        for clip in sorted(CLIPS.rglob("*.mp4")):
            for picture in read_frames(clip, np.arange, height=HEIGHT, width=WIDTH).frames:
                yield picture
                given += 1
                if given == n:
                    return


def cpu_s(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process, and what the work gives."""
    started = time.process_time()
    given = work()
    return time.process_time() - started, given


def step(folder: Path) -> dict[str, float]:
    """Medians of rounds in turn: decoding and arithmetic of the guide's order of work and of ours, on equal videos."""
    paths = [folder / f"video{number}.mp4" for number in range(STEP.batch_size)]
    footage(paths[0])
    for path in paths[1:]:
        path.write_bytes(paths[0].read_bytes())
    model, tokenizer = new_model()
    guide = GuideStep(model.clip, "cpu", bf16=False, num_frames=STEP.num_frames)
    random = torch.Generator().manual_seed(0)
    texts, region_texts = (token_ids(rows, random) for rows in (len(paths), REGIONS * len(paths)))
    chunked, whole = (
        new_learner(replace(STEP, frame_chunk=chunk), "cpu")
        for chunk in (STEP.frame_chunk, STEP.batch_size * STEP.num_frames)
    )
    batches = real_batches(STEP, paths, N_FRAMES, tokenizer)
    seen: dict[str, list[float]] = {}

    def taken(name: str, work: Callable[[], Any]) -> Any:
        seconds, given = cpu_s(work)
        seen.setdefault(name, []).append(seconds)
        return given

    for number in range(1 + ROUNDS):
        # Anomalous and normal by turns, as in our batches; only the former have a region of their own.
        videos = taken(
            "guide, decoding",
            lambda: [read_video(path, 1 - row % 2, STEP.num_frames, SIZE) for row, path in enumerate(paths)],
        )
        taken("guide, arithmetic", lambda videos=videos: guide(videos, texts, region_texts).item())
        batch = taken("ours, decoding", lambda: next(batches))
        taken("ours, arithmetic", lambda b=batch, n=number: chunked.learn(iter([b]), n, 1.0))
        taken("ours in one chunk, arithmetic", lambda b=batch, n=number: whole.learn(iter([b]), n, 1.0))
    return {name: statistics.median(each[1:]) for name, each in seen.items()}


def scoring(folder: Path) -> dict[str, float]:
    """Medians of rounds in turn of a minute of video: the worker's whole work, and its decoding alone."""
    from scripts.fgclip.model.identity import RANDOM_B32
    from scripts.fgclip.model.init import make_init
    from scripts.fgclip.scoring.job import score_videos
    from scripts.fgclip.scoring.prompts import read_prompts
    from scripts.shared.sample_task import MadeSample, SampleTask

    video = folder / "video.mp4"
    footage(video)
    make_init(folder / "model", name="bench", clip=RANDOM_B32, seed=0, num_frames=FULL.num_frames)
    settings = {
        "format": 1,
        "stride": STRIDE,
        "top_k": TOP_K,
        "batch": BATCH,
        "prompts": read_prompts().as_settings(),
        "num_frames": FULL.num_frames,
    }
    means = {"model": str(folder / "model"), "device": "cpu", "decoders": 1}
    task = SampleTask("video", {"files": ["video.npz"]}, settings, means, video, folder)

    def score() -> None:
        [made] = score_videos([task])
        assert isinstance(made, MadeSample), made

    def decode() -> None:
        read_frames(video, lambda n: np.arange(0, n, STRIDE), height=SIZE, width=SIZE)

    seen: dict[str, list[float]] = {"whole": [], "decoding": []}
    for _ in range(1 + ROUNDS):
        for name, work in (("whole", score), ("decoding", decode)):
            seen[name].append(cpu_s(work)[0])
    return {name: statistics.median(each[1:]) for name, each in seen.items()}


def memory(chunk: int) -> dict[str, float]:
    """MiB of the process at most in a step of 32 frames, above what it held before with the model."""
    learner = new_learner(replace(STEP, frame_chunk=chunk), "cpu")
    batch = made_up_batch(STEP, SIZE, 0)
    before = _peak_mib()
    seconds, _ = cpu_s(lambda: learner.learn(iter([batch]), 0, 1.0))
    return {"model": before, "step": _peak_mib() - before, "cpu_s": seconds}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(work: str, folder: Path) -> dict[str, float]:
    """Do one work."""
    torch.set_num_threads(1)
    name, _, chunk = work.partition(":")
    if name == "memory":
        return memory(int(chunk))
    return {"step": step, "scoring": scoring}[name](folder)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
