"""What a worker of the stage `score` does: the scores of some videos, each wanted frame decoded and encoded once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.fgclip.scoring.prompts import PromptSets
from scripts.fgclip.scoring.score_files import VideoScores, scores_npz
from scripts.fgclip.scoring.scorer import EncodedFrames, VideoScorer, open_scorer
from scripts.shared.errors import JobError, SampleError
from scripts.shared.sample_task import MadeSample, SampleTask, make_files
from scripts.shared.video.frames import DecodedFrames, read_frames

# Frames decoded at one go: 300 MB at 224 pixels. Videos of UCF-Crime last up to nine hours; where one needs a second
# go, the frames before the first wanted one back to the key frame are decoded again.
_FRAMES_AT_A_GO = 2_048


def score_videos(tasks: list[SampleTask]) -> list[MadeSample | SampleError]:
    """Score videos and write their files to the tasks' folders; see `score_files`.

    The facts of a sample are `n_frames`, `n_scored` and `device`.

    Args:
        tasks: of one shard, so with one model and one set of settings: `stride`, `num_frames`, `top_k`, `batch`, and
            `prompts` as `PromptSets.as_settings` has them; in the means `model`, its folder, `device` and `decoders`.

    Returns:
        What became of each, in their order. A `SampleError` is of a class of `read_frames`, or `not_finite` or
        `source_changed`.

    Raises:
        ConfigError: the model's folder is missing or damaged.
        JobError: a file cannot be written, or the device computes no more.
    """
    first = tasks[0]
    scorer, lock = _scorer(json.dumps(first.settings, sort_keys=True), first.means["model"], first.means["device"])
    with ThreadPoolExecutor(first.means["decoders"]) as threads:
        return list(threads.map(partial(_score_video, scorer, lock), tasks))


@cache
def _scorer(settings: str, model: str, device: str) -> tuple[VideoScorer, Lock]:
    # Once a process: loading takes as long as many videos. The lock is the model's, which one thread uses at a time.
    wanted = json.loads(settings)
    if device == "cuda" and not torch.cuda.is_available():
        raise JobError(
            f"this job has a GPU, but torch {torch.__version__} cannot use it: does the driver fit its CUDA libraries? "
            "`gpus: []` in the configuration scores the videos on the CPU"
        )
    scorer = open_scorer(
        Path(model),
        PromptSets.from_settings(wanted["prompts"]),
        num_frames=wanted["num_frames"],
        top_k=wanted["top_k"],
        batch=wanted["batch"],
        device=device,
    )
    return scorer, Lock()


def _score_video(scorer: VideoScorer, lock: Lock, task: SampleTask) -> MadeSample | SampleError:
    try:
        return make_files(task, partial(_make, scorer, lock))
    except SampleError as error:
        return error


def _make(scorer: VideoScorer, lock: Lock, task: SampleTask) -> tuple[dict[str, bytes], dict[str, Any]]:
    parts: list[DecodedFrames] = []
    encoded: list[EncodedFrames] = []
    for part in _decoded(task.source, task.settings["stride"], scorer.image_size):
        with lock, _device_errors(task):
            encoded.append(scorer.encode(part.frames))
        parts.append(replace(part, frames=part.frames[:0]))  # the pictures themselves are needed no more
    numbers = np.array([number for part in parts for number in part.numbers], np.int64)
    n_frames = parts[0].n_source_frames
    with lock, _device_errors(task):
        scores = scorer.score(encoded, numbers, n_frames)
    if not _is_finite(scores):
        raise SampleError(
            "not_finite", f"{task.source.name}: the model gives NaN or infinity; was its training well? leave it out"
        )
    [name] = task.entry["files"]
    facts = {"n_frames": n_frames, "n_scored": len(numbers), "device": task.means["device"]}
    return {name: scores_npz(scores)}, facts


def _decoded(path: Path, stride: int, size: int) -> Iterator[DecodedFrames]:
    """Every `stride`-th frame of a video from the first on, at some goes."""
    for go in count():
        wanted = slice(go * _FRAMES_AT_A_GO, (go + 1) * _FRAMES_AT_A_GO)
        part = read_frames(path, partial(_every, stride, wanted), height=size, width=size)
        yield part
        if wanted.stop * stride >= part.n_source_frames:
            return


def _every(stride: int, wanted: slice, n: int) -> NDArray[np.int64]:
    """Those of every `stride`-th of n frames that are wanted."""
    numbers: NDArray[np.int64] = np.arange(0, n, stride, dtype=np.int64)[wanted]
    return numbers


@contextmanager
def _device_errors(task: SampleTask) -> Iterator[None]:
    """On a GPU what torch refuses is no fault of the video."""
    try:
        yield
    except RuntimeError as error:
        if task.means["device"] == "cpu":
            raise
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise JobError(
            f"the model computes no more on the GPU: {said}; run again when the device is well and has free memory "
            "(a smaller `score_batch` needs less): what is finished is kept"
        ) from error


def _is_finite(scores: VideoScores) -> bool:
    arrays = (scores.global_margins, scores.dense_margins, scores.margin_map, scores.video_logits)
    return all(bool(np.isfinite(array).all()) for array in arrays)
