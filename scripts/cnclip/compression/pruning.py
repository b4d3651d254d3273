"""Structured pruning: feed-forward neurons are taken out of both towers, and a smaller standard model is left.

Zeroing weights leaves file and time as they were; here the matrices shrink and `intermediate_size` with them, so that
every reader of the format loads the outcome.
"""

import copy
import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.compression.towers import ImageTower, TextTower
from scripts.shared.errors import ConfigError

Criterion = Literal["weight", "activation", "random"]
MULTIPLE = 8  # widths that tensor cores and vector units take without padding
_ROWS = 32


class FeedForward(NamedTuple):
    """One layer's two matrices: into the neurons and out of them."""

    into: nn.Linear
    out_of: nn.Linear


class Calibration(NamedTuple):
    """What the activations are measured on: pixels (n, 3, S, S) float32 and token ids (n, C) int64."""

    pixels: Tensor
    ids: Tensor


def n_kept(intermediate_size: int, fraction: float) -> int:
    """How many neurons of a layer stay: the fraction's complement, up to a multiple of 8.

    Raises:
        ConfigError: the fraction is not in [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ConfigError(f"prune.fraction: {fraction:g} is not from 0 up to, but not, 1")
    exact = round(intermediate_size * (1 - fraction), 6)  # 0.7 x 3,840 is 2,688, not a little more
    return min(math.ceil(exact / MULTIPLE) * MULTIPLE, intermediate_size)


def prune_feed_forward(
    model: ChineseCLIPModel,
    fraction: float,
    *,
    criterion: Criterion,
    seed: int = 0,
    calibration: Calibration | None = None,
) -> ChineseCLIPModel:
    """A model without some feed-forward neurons; the one given stays as it is.

    Args:
        model: of transformers.
        fraction: of each layer's neurons to take out; what stays is a multiple of 8.
        criterion: which stay. `weight`: those with the largest |weights into it| x |weights out of it| (Euclidean
            norms); `activation`: the largest mean |activation| x |weights out of it|; `random`: any, the control.
        seed: of `random`.
        calibration: for `activation`.

    Returns:
        A `ChineseCLIPModel` in eval mode on the CPU; neurons keep their order.

    Raises:
        ConfigError: the fraction is none, or `activation` has no calibration.
    """
    activations = _mean_activations(model, calibration) if criterion == "activation" else {}
    kept: dict[str, Tensor] = {}
    for number, (name, layer) in enumerate(feed_forwards(model)):
        n_neurons = layer.into.out_features
        match criterion:
            case "weight":
                score = layer.into.weight.norm(dim=1) * layer.out_of.weight.norm(dim=0)
            case "activation":
                score = activations[name] * layer.out_of.weight.norm(dim=0)
            case "random":
                score = torch.from_numpy(np.random.default_rng([seed, number]).random(n_neurons))
        # A stable sort: of equal scores, as of neurons that are all zero, the earlier one stays on every machine.
        best = torch.sort(score.detach(), descending=True, stable=True).indices[: n_kept(n_neurons, fraction)]
        kept[name] = best.sort().values
    return _with_neurons(model, kept)


def feed_forwards(model: ChineseCLIPModel) -> Iterator[tuple[str, FeedForward]]:
    """The feed-forward parts of both towers, by the name of their layer, in the order of the model."""
    vision: Any = model.vision_model
    text: Any = model.text_model
    for number, layer in enumerate(vision.encoder.layers):
        yield f"vision_model.encoder.layers.{number}.mlp", FeedForward(layer.mlp.fc1, layer.mlp.fc2)
    for number, layer in enumerate(text.encoder.layer):
        yield f"text_model.encoder.layer.{number}", FeedForward(layer.intermediate.dense, layer.output.dense)


def _with_neurons(model: ChineseCLIPModel, kept: dict[str, Tensor]) -> ChineseCLIPModel:
    smaller: Any = copy.deepcopy(model).cpu().eval()  # type: ignore[no-untyped-call]
    for name, layer in feed_forwards(smaller):
        rows = kept[name].cpu()
        layer.into.weight = nn.Parameter(layer.into.weight.detach()[rows].contiguous())
        layer.into.bias = nn.Parameter(layer.into.bias.detach()[rows].contiguous())
        layer.out_of.weight = nn.Parameter(layer.out_of.weight.detach()[:, rows].contiguous())
        layer.into.out_features = layer.out_of.in_features = len(rows)
        # A tower may hold a copy of its part of the configuration.
        tower, part = _tower(smaller, name)
        tower.config.intermediate_size = part.intermediate_size = len(rows)
    pruned: ChineseCLIPModel = smaller
    return pruned


def _tower(model: Any, layer_name: str) -> tuple[Any, Any]:
    """The tower that a layer belongs to, and its part of the model's configuration."""
    if layer_name.startswith("vision_model."):
        return model.vision_model, model.config.vision_config
    return model.text_model, model.config.text_config


@torch.no_grad()
def _mean_activations(model: ChineseCLIPModel, calibration: Calibration | None) -> dict[str, Tensor]:
    """Mean absolute value of each neuron after its activation function, over pixels' patches and texts' tokens."""
    if calibration is None or not len(calibration.pixels) or not len(calibration.ids):
        raise ConfigError("prune.criterion: activation needs pictures and texts to measure on; use weight without")
    model = copy.deepcopy(model).eval()  # type: ignore[no-untyped-call]
    counted = torch.ones(0)
    sums: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}

    def note(name: str) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            magnitude = inputs[0].double().abs() * counted.unsqueeze(-1)
            sums[name] = sums.get(name, torch.zeros(())) + magnitude.sum((0, 1))
            weights[name] = weights.get(name, torch.zeros(())) + counted.double().expand(inputs[0].shape[:2]).sum()

        layers[name].out_of.register_forward_pre_hook(hook)

    layers = dict(feed_forwards(model))
    for name in layers:
        note(name)
    image_tower, text_tower = ImageTower(model), TextTower(model)
    for pixels in torch.split(calibration.pixels, _ROWS):
        counted = torch.ones(1, 1)
        image_tower(pixels)
    for ids in torch.split(calibration.ids, _ROWS):
        counted = (ids != 0).float()  # padding is no text
        text_tower(ids)
    return {name: (sums[name] / weights[name]).float() for name in layers}
