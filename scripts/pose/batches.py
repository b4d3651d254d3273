"""What a worker of the stage `generate` does: the poses of a group of captions, many at a time."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.pose.captions import NA
from scripts.pose.features import joints_from_features
from scripts.pose.groups import frames_asked, poses_asked
from scripts.pose.model_files.model_file import load_model
from scripts.pose.options import chosen_frame
from scripts.pose.pose_files import PoseFileError, array_npy, pose_json, read_array
from scripts.pose.pose_maker import PoseMaker
from scripts.pose.sampling.generation import Sampling
from scripts.pose.sampling.noise import caption_noise, stack
from scripts.pose.skeleton import FRAMES_PER_TOKEN, SKELETONS
from scripts.shared.errors import JobError, SampleError
from scripts.shared.fingerprints import SourceStat
from scripts.shared.sample_task import MadeSample, SampleTask, read_at_rest, write_files

_WRITERS = 16  # threads, which wait for the disk


def make_poses(tasks: list[SampleTask]) -> list[MadeSample | SampleError]:
    """Make the poses of a group of captions and write their files to the tasks' folders.

    The facts of a sample are `frames` and `frame` of its first pose, `device`, and `batch_rows` where memory forced
    smaller micro-batches than the device's usual ones.

    Args:
        tasks: of one shard, so with one model and one set of settings.

    Returns:
        What became of each, in their order. A `SampleError` is of class `bad_text_vector`, `bad_frame`,
        `no_length_estimator` or `not_finite`, or `source_changed`.

    Raises:
        ConfigError: the model's file is missing, damaged or another than the plan's.
        JobError: a file cannot be written, or the device computes no more.
    """
    maker = _maker(json.dumps(tasks[0].settings, sort_keys=True), tasks[0].means["model"], tasks[0].means["device"])
    results: dict[str, SampleError | Future[MadeSample]] = {}
    captions = []
    for task in tasks:
        try:
            captions.append(_read_caption(task, maker))
        except SampleError as error:
            results[task.key] = error
    with ThreadPoolExecutor(_WRITERS) as writers:
        for poses in _batches(captions, maker):
            for pose, features in zip(poses, _motions(poses, maker), strict=True):
                caption = pose.caption
                caption.motions[pose.repeat] = features
                if len(caption.motions) == len(caption.names):
                    results[caption.task.key] = writers.submit(_finish, caption, maker.device, _fewer_rows(maker))
    return [_settled(results[task.key]) for task in tasks]


@cache
def _maker(settings: str, model: str, device: str) -> PoseMaker:
    # Once a process: loading takes as long as many poses.
    wanted = json.loads(settings)
    if device == "cuda" and not torch.cuda.is_available():
        raise JobError(
            f"this job has a GPU, but torch {torch.__version__} cannot use it: does the driver fit its CUDA libraries? "
            "`gpus: []` in the configuration makes the poses on the CPU"
        )
    loaded = load_model(
        Path(model),
        kind=wanted["kind"],
        skeleton=wanted["skeleton"],
        identity=wanted["model_identity"],
        device=device,
    )
    sampling = Sampling(
        kind=wanted["kind"],
        time_steps=wanted["time_steps"],
        cfg=wanted["cfg"],
        solver=wanted["solver"],
        solver_steps=wanted["solver_steps"],
    )
    return PoseMaker(loaded, sampling, device=device, precision=wanted["precision"])


@dataclass
class _Caption:
    """A caption with what is known of its poses.

    Attributes:
        source: its text vector's file as it was when it was read.
        text: (D,) float32.
        names: of its poses, one a repeat.
        n_tokens: of each of them.
        motions: (T, F) float32 features of those that are made.
    """

    task: SampleTask
    source: SourceStat
    text: NDArray[np.float32]
    names: list[str]
    n_tokens: list[int]
    motions: dict[int, NDArray[np.float32]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Pose:
    """One pose to be made: which of a caption's, from 0."""

    caption: _Caption
    repeat: int


def _read_caption(task: SampleTask, maker: PoseMaker) -> _Caption:
    """Read a caption's vector, and settle the length of each of its motions.

    Raises:
        SampleError: see `make_poses`.
    """
    source, text = read_at_rest(task.source, lambda: _read_text(task, maker.text_dim))
    names, seed, caption = poses_asked(task), task.settings["seed"], task.entry["caption"]
    if (n_frames := frames_asked(task)) == NA:
        repeats = range(len(names))
        n_tokens = [maker.n_tokens(text, seed=seed, caption=caption, repeat=repeat) for repeat in repeats]
    else:
        n_tokens = [n_frames // FRAMES_PER_TOKEN] * len(names)
    try:
        for length in n_tokens:
            chosen_frame(task.settings["frame_index"], length * FRAMES_PER_TOKEN)
    except ValueError as error:
        raise SampleError("bad_frame", f"{caption[:60]!r}: frame_index: {error}; give it a longer motion") from error
    return _Caption(task, source, text, names, n_tokens)


def _read_text(task: SampleTask, dim: int) -> NDArray[np.float32]:
    mend = "remove it and run again: it is made anew"
    try:
        text = read_array(task.source.read_bytes(), task.source.name)
    except OSError as error:
        raise SampleError("bad_text_vector", f"{task.source.name}: {error.strerror}; {mend}") from error
    except PoseFileError as error:
        raise SampleError("bad_text_vector", f"{error}; {mend}") from error
    if text.shape != (dim,):
        raise SampleError(
            "bad_text_vector",
            f"{task.source.name}: has the shape {text.shape}, but the model takes vectors of ({dim},): was it trained "
            "with another text encoder?",
        )
    return text


def _batches(captions: Sequence[_Caption], maker: PoseMaker) -> Iterator[list[_Pose]]:
    """The poses of captions, those of one length together, as many as a micro-batch then holds."""
    by_length: dict[int, list[_Pose]] = defaultdict(list)
    for caption in captions:
        for repeat, n_tokens in enumerate(caption.n_tokens):
            by_length[n_tokens].append(_Pose(caption, repeat))
    for poses in by_length.values():
        first = 0
        while first < len(poses):
            batch = poses[first : first + maker.rows]
            yield batch
            first += len(batch)


def _motions(poses: Sequence[_Pose], maker: PoseMaker) -> NDArray[np.float32]:
    """Features (n, T, F) of poses of one length, each from its own noise."""
    noise = [
        caption_noise(
            pose.caption.task.settings["seed"],
            pose.caption.task.entry["caption"],
            pose.repeat,
            pose.caption.n_tokens[pose.repeat],
            maker.n_channels,
            ddpm=pose.caption.task.settings["kind"] == "ddpm",
        )
        for pose in poses
    ]
    return maker.motions(np.stack([pose.caption.text for pose in poses]), stack(noise))


def _fewer_rows(maker: PoseMaker) -> int | None:
    return maker.rows if maker.rows < maker.full_rows else None


def _finish(caption: _Caption, device: str, fewer_rows: int | None) -> MadeSample:
    """Write the files of a caption.

    Raises:
        SampleError: `not_finite`.
        JobError: they cannot be written.
    """
    task, settings = caption.task, caption.task.settings
    skeleton = SKELETONS[settings["skeleton"]]
    contents: dict[str, bytes] = {}
    for repeat, name in enumerate(caption.names):
        features = caption.motions[repeat]
        joints = joints_from_features(features, skeleton)
        if not (np.isfinite(features).all() and np.isfinite(joints).all()):
            raise SampleError("not_finite", f"{name}: the model gives NaN or infinity; leave it out if others work")
        frame = chosen_frame(settings["frame_index"], len(joints))
        contents[f"poses/{name}.npy"] = array_npy(joints[frame])
        contents[f"poses/{name}.json"] = pose_json(joints[frame], task.entry["caption"], frame, skeleton)
        if settings["save_motion"]:
            contents[f"motions/{name}.npy"] = array_npy(joints)
            contents[f"motions/{name}_features.npy"] = array_npy(features)
    n_frames = len(caption.motions[0])
    facts = {"frames": n_frames, "frame": chosen_frame(settings["frame_index"], n_frames), "device": device}
    if fewer_rows is not None:
        facts["batch_rows"] = fewer_rows
    return write_files(task, caption.source, contents, facts)


def _settled(result: SampleError | Future[MadeSample]) -> MadeSample | SampleError:
    if isinstance(result, SampleError):
        return result
    try:
        return result.result()
    except SampleError as error:
        return error
