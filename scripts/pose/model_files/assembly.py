"""The nets of a model, made from tensors by key and checked against each other."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from scripts.pose.nets.autoencoder import AutoEncoder
from scripts.pose.nets.length_estimator import LengthEstimator
from scripts.pose.nets.loading import load_state
from scripts.pose.nets.mardm import Mardm, MardmSizes
from scripts.pose.skeleton import SKELETONS
from scripts.shared.errors import ConfigError

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Part:
    """The weights of one net.

    Attributes:
        state: tensors by the names of upstream's checkpoints.
        where: file, and key in it, as an error should name them.
    """

    state: State
    where: str


def make_autoencoder(part: Part, skeleton: str) -> AutoEncoder:
    """The autoencoder, of the sizes that its weights have; like all nets here it shares their memory, for inference.

    Raises:
        ConfigError: these are no such weights, or those of another skeleton.
    """
    width, n_features = _size(part, "encoder.model.0.weight", 0), _size(part, "encoder.model.0.weight", 1)
    wanted = SKELETONS[skeleton].n_features
    if n_features != wanted:
        of = [name for name, other in SKELETONS.items() if other.n_features == n_features]
        raise ConfigError(
            f"{part.where}: the autoencoder takes {n_features} features a frame"
            + (f", those of skeleton {of[0]}" if of else "")
            + f"; skeleton {skeleton} has {wanted}: name the checkpoints of {skeleton}"
        )
    blocks = "encoder.model.2.1.model."
    depth = len({key.removeprefix(blocks).split(".")[0] for key in part.state if key.startswith(blocks)})
    with torch.device("meta"):
        net = AutoEncoder(n_features, width=width, latent=_size(part, "encoder.model.4.weight", 0), depth=depth)
    load_state(net, part.state, where=part.where)
    return net.eval().requires_grad_(False)


def make_mardm(part: Part, heads: int, autoencoder: Part) -> Mardm:
    """The transformer and the denoiser, of the sizes that their weights have.

    Raises:
        ConfigError: these are no such weights, or the autoencoder's latents have another width.
    """
    try:
        sizes = MardmSizes.from_shapes({key: tuple(value.shape) for key, value in part.state.items()}, heads)
    except ConfigError as error:
        raise ConfigError(f"{part.where}: {error}") from error
    latent = _size(autoencoder, "encoder.model.4.weight", 0)
    if sizes.latent != latent:
        raise ConfigError(
            f"{part.where}: works on latents of {sizes.latent} channels, but {autoencoder.where} makes {latent}; "
            "take both files from one model"
        )
    with torch.device("meta"):
        net = Mardm(sizes)
    load_state(net, part.state, where=part.where)
    return net.eval().requires_grad_(False)


def make_length_estimator(part: Part, text: int) -> LengthEstimator:
    """The length estimator.

    Args:
        part: its weights.
        text: width of the text vectors that the model takes.

    Raises:
        ConfigError: these are no such weights, or it takes text vectors of another width.
    """
    width = _size(part, "output.0.weight", 1)
    if width != text:
        raise ConfigError(f"{part.where}: takes text vectors of {width} numbers, but the model's have {text}")
    with torch.device("meta"):
        net = LengthEstimator(width, _size(part, "output.11.weight", 0))
    load_state(net, part.state, where=part.where)
    return net.eval().requires_grad_(False)


def _size(part: Part, key: str, axis: int) -> int:
    if key not in part.state:
        raise ConfigError(f"{part.where}: key {key!r} is missing; these are not the weights of this net")
    shape = tuple(part.state[key].shape)
    if len(shape) <= axis:
        raise ConfigError(f"{part.where}: {key} has the shape {shape}; these are not the weights of this net")
    return shape[axis]
