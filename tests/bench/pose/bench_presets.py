"""What the presets, cfg and the solver's steps cost, and what they do to poses of the toy model."""

import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from scripts.pose.features import joints_from_features
from scripts.pose.model_files.model_file import PoseModel
from scripts.pose.options import MIDDLE, PRESETS, chosen_frame
from scripts.pose.pose_maker import PoseMaker
from scripts.pose.sampling.generation import Sampling
from scripts.pose.sampling.noise import caption_noise, stack
from scripts.pose.sampling.rows import ROWS
from scripts.pose.sampling.schedule import masked_counts
from scripts.pose.skeleton import FRAMES_PER_TOKEN
from scripts.pose.text.minilm import MiniLm
from scripts.pose.toy.control import nearest_frame_distances
from scripts.pose.toy.motions import SKELETON, Clip
from tests.bench.pose.bench_generation import one_evaluation
from tests.bench.pose.toy import load_toy, toy_clips
from tests.bench.table import Cell, Table
from tests.pose_models import random_xl_model

REPEATS = 32  # poses of each caption
ROUNDS = 3
SEED = 3407
EXACT = 256  # steps of midpoint that the others are compared with


@dataclass(frozen=True)
class Way:
    """A way to make poses: the frames of the motion that a pose is taken from, and how it is sampled."""

    n_frames: int
    sampling: Sampling

    @property
    def n_tokens(self) -> int:
        return self.n_frames // FRAMES_PER_TOKEN

    def tokens_in_mardms_order(self) -> int:
        """Tokens that are sampled for one pose where all masked ones are, in every step."""
        return int(masked_counts(torch.tensor([self.n_tokens]), self.sampling.time_steps).sum())


@dataclass(frozen=True)
class Made:
    """Poses of all held-out captions.

    Attributes:
        joints: (captions, REPEATS, J, 3), metres.
        cpu_ms: of a pose.
        evaluations: of the denoiser in each step, in the mean.
    """

    joints: NDArray[np.float32]
    cpu_ms: float
    evaluations: float


def ways() -> dict[str, Way]:
    """What is compared: the presets, and the standard one with one option changed."""
    of = {name: _preset(name) for name in PRESETS}
    standard = of["standard"]

    def but(**changed: str | float) -> Way:
        return replace(standard, sampling=replace(standard.sampling, **changed))

    return {
        **{f"preset {name}": way for name, way in of.items()},
        **{f"standard, cfg {cfg:g}": but(cfg=cfg) for cfg in (1.0, 3.0, 5.0)},
        **{f"standard, midpoint, {n} steps": but(solver_steps=n) for n in (4, 8, 16, 64)},
        "standard, rk4, 16 steps": but(solver="rk4", solver_steps=16),
        "standard, dopri5": but(solver="dopri5"),
    }


def _preset(name: str) -> Way:
    options = PRESETS[name]
    sampling = Sampling("sit", time_steps=int(options["time_steps"]), cfg=float(options["cfg"]))
    return Way(int(options["sequence_length"]), sampling)


def run() -> Table:
    """Make the toy's poses in each way, and evaluate the large model once in every step of each preset."""
    model, clips, encoder = load_toy(), toy_clips(), MiniLm()
    texts = np.stack([encoder.encode(clip.held_out) for clip in clips])
    standard = _preset("standard")
    exact = make(model, clips, texts, replace(standard, sampling=replace(standard.sampling, solver_steps=EXACT)))
    at_full_size = _full_size()
    rows = []
    for name, way in ways().items():
        made = make(model, clips, texts, way)
        same_noise = way.n_frames == standard.n_frames and way.sampling.cfg == standard.sampling.cfg
        rows.append(_row(name, way, made, clips, at_full_size.get(name), exact if same_noise else None))
    return Table(
        title="Presets of poses",
        about=(
            "What sequence_length, time_steps, cfg and the solver cost, and what they do. Tokens: that are sampled "
            "for one pose, in MARDM's order of work and in ours, each in as many evaluations of the denoiser as stand "
            "beside. CPU time on one thread: the toy's whole poses; of the model of full size (random weights) one "
            f"evaluation in each step. Poses of the toy: {REPEATS} of each of {len(clips)} captions that it never saw, "
            "its middle frame. From its clip: mean distance of the joints from the most similar frame of the caption's "
            "own clip, turned about the vertical. Own clip nearest: captions whose poses are nearer to it than to any "
            f"other; by chance 1. From exact: mean distance of the joints from the same pose by {EXACT} steps of "
            "midpoint."
        ),
        columns=[
            "way",
            "tokens, MARDM's",
            "tokens, ours",
            "evaluations",
            "toy, CPU ms a pose",
            "full size, CPU s a pose and evaluation",
            "from its clip, cm",
            "own clip nearest",
            "from exact, cm",
        ],
        rows=rows,
        notes=["The toy learned crops of 16 to 64 frames of 15 clips: it says nothing of what MARDM's own poses gain."],
    )


def make(model: PoseModel, clips: list[Clip], texts: NDArray[np.float32], way: Way) -> Made:
    """Make the poses of the held-out captions."""
    maker = PoseMaker(model, way.sampling)
    n_channels = model.mardm.sizes.latent
    noise = stack(
        [
            caption_noise(SEED, clip.held_out, repeat, way.n_tokens, n_channels, ddpm=False)
            for clip in clips
            for repeat in range(REPEATS)
        ]
    )
    evaluations = []
    counter = model.mardm.denoiser.input_proj.register_forward_hook(lambda *_: evaluations.append(1))
    started = time.process_time()
    features = maker.motions(np.repeat(texts, REPEATS, axis=0), noise)
    cpu_s = time.process_time() - started
    counter.remove()
    n_poses = len(features)
    joints = joints_from_features(features, SKELETON)[:, chosen_frame(MIDDLE, way.n_frames)]
    n_solves = -(-n_poses // ROWS["cpu"]) * way.n_tokens
    return Made(
        joints.reshape(len(clips), REPEATS, *joints.shape[1:]), 1e3 * cpu_s / n_poses, len(evaluations) / n_solves
    )


def _full_size() -> dict[str, float]:
    """CPU seconds of a pose and evaluation by preset; the others have the same as `standard`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.safetensors")
        random_xl_model(path)
        taken: dict[str, list[float]] = {name: [] for name in PRESETS}
        for _ in range(ROUNDS):
            for name, seconds in taken.items():
                way = _preset(name)
                once = one_evaluation(
                    "ours", str(path), str(ROWS["cpu"]), str(way.n_tokens), str(way.sampling.time_steps)
                )
                seconds.append(once.evaluation_s / once.poses)
    return {f"preset {name}": statistics.median(seconds) for name, seconds in taken.items()}


def _row(
    name: str, way: Way, made: Made, clips: list[Clip], full_size_s: float | None, exact: Made | None
) -> list[Cell]:
    distances = np.array([[nearest_frame_distances(of, clip.joints).mean() for clip in clips] for of in made.joints])
    own = distances.diagonal()
    return [
        name,
        way.tokens_in_mardms_order(),
        way.n_tokens,
        f"{round(made.evaluations, 1):g}",
        round(made.cpu_ms, 2),
        full_size_s,
        round(100 * float(own.mean()), 2),
        int((distances.argmin(axis=1) == np.arange(len(clips))).sum()),
        None if exact is None else f"{100 * np.linalg.norm(made.joints - exact.joints, axis=-1).mean():.3f}",
    ]
