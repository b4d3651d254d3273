"""The toy model as a whole: read the clips, train both nets, write the model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scripts.pose.model_files.mean_std import Statistics
from scripts.pose.model_files.model_file import PoseModel, write_model
from scripts.pose.text.identity import MINILM
from scripts.pose.text.minilm import MiniLm
from scripts.pose.toy.autoencoder_training import train_autoencoder
from scripts.pose.toy.denoiser_training import train_denoiser
from scripts.pose.toy.motions import SKELETON, Clip, looped, mean_and_std, read_clips
from scripts.pose.toy.recipe import RECIPE, Recipe, recipe_identity

Encode = Callable[[str], NDArray[np.float32]]
"""A caption to its text vector (D,) float32."""


@dataclass(frozen=True)
class Trained:
    """A trained toy.

    Attributes:
        model: as it is run.
        autoencoder_losses: smooth L1 on normalised features, of each step.
        denoiser_losses: mean square error of the velocity, of each step.
    """

    model: PoseModel
    autoencoder_losses: list[float]
    denoiser_losses: list[float]


def train_tiny(motions: Path, captions: Path, target: Path, *, seed: int, recipe: Recipe = RECIPE) -> Trained:
    """Train the toy model and write it.

    Args:
        motions: the motion clips (npz).
        captions: their captions (csv).
        target: of the model, `*.safetensors`.
        seed: of every random draw.
        recipe: sizes and steps.

    Returns:
        What was trained.

    Raises:
        ConfigError: see `read_clips`; or the text encoder is not installed.
    """
    identity = recipe_identity(motions, captions, seed, recipe)
    clips = read_clips(motions, captions)
    trained = train(clips, MiniLm().encode, seed=seed, recipe=recipe, identity=identity)
    sources = {"motions": motions.name, "captions": captions.name, "seed": str(seed)}
    write_model(target, trained.model, sources=sources)
    return trained


def train(clips: Sequence[Clip], encode: Encode, *, seed: int, recipe: Recipe = RECIPE, identity: str = "") -> Trained:
    """Train both nets, on one thread: equal arguments give equal weights on one kind of machine.

    Args:
        clips: with the captions to train with.
        encode: the text encoder.
        seed: of every random draw.
        recipe: sizes and steps.
        identity: that the model is to bear.

    Returns:
        What was trained.
    """
    mean, std = mean_and_std(clips)
    with _seeded(seed) as random:
        autoencoder, autoencoder_losses = train_autoencoder(_tracks(clips, mean, std), recipe, random)
    with _seeded(seed) as random:
        texts = _vectors(clips, encode)
        mardm, denoiser_losses = train_denoiser(_tracks(clips, mean, std), texts, autoencoder, recipe, random)
    model = PoseModel(
        autoencoder,
        mardm,
        length_estimator=None,
        mean=mean,
        std=std,
        kind="sit",
        skeleton=SKELETON.name,
        identity=identity,
        text_encoder=MINILM,
    )
    return Trained(model, autoencoder_losses, denoiser_losses)


def retrain_denoiser(
    model: PoseModel, clips: Sequence[Clip], encode: Encode, *, seed: int, recipe: Recipe
) -> PoseModel:
    """Train a toy's MARDM again on other captions; the autoencoder, which sees none, is what it would be again.

    Args:
        model: what `train` made of these clips.
        clips: the same motions with other captions.
        encode: the text encoder.
        seed: of every random draw, as `train` was given it.
        recipe: too.

    Returns:
        What `train` would make of these clips.
    """
    with _seeded(seed) as random:
        tracks, texts = _tracks(clips, model.mean, model.std), _vectors(clips, encode)
        mardm, _ = train_denoiser(tracks, texts, model.autoencoder, recipe, random)
    return replace(model, mardm=mardm, identity="")


@contextmanager
def _seeded(seed: int) -> Iterator[torch.Generator]:
    """Inside it torch computes on one thread and draws first weights by the seed; gives what to draw all else with."""
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def _tracks(clips: Sequence[Clip], mean: Statistics, std: Statistics) -> list[Tensor]:
    return [torch.from_numpy(looped(((clip.features - mean) / std).astype(np.float32))) for clip in clips]


def _vectors(clips: Sequence[Clip], encode: Encode) -> list[Tensor]:
    return [torch.from_numpy(np.stack([encode(caption) for caption in clip.captions])) for clip in clips]
