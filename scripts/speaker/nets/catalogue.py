"""Nets by the names that `model` has in WeSpeaker's `config.yaml`."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from scripts.speaker.nets.campplus import CamPlusPlus
from scripts.speaker.nets.ecapa_tdnn import EcapaTdnn
from scripts.speaker.nets.eres2net import ERes2Net
from scripts.speaker.nets.resnet import DEPTHS, ResNet
from scripts.speaker.nets.simam_resnet import N_BLOCKS, SimAMResNet

NETS: dict[str, Callable[..., nn.Module]] = {
    **{f"ResNet{depth}": partial(ResNet, block, n_blocks) for depth, (block, n_blocks) in DEPTHS.items()},
    **{f"SimAM_ResNet{depth}_ASP": partial(SimAMResNet, n_blocks) for depth, n_blocks in N_BLOCKS.items()},
    "ECAPA_TDNN": EcapaTdnn,
    "ECAPA_TDNN_c512": partial(EcapaTdnn, channels=512),
    "ECAPA_TDNN_c1024": partial(EcapaTdnn, channels=1024),
    "ECAPA_TDNN_GLOB_c512": partial(EcapaTdnn, channels=512, global_context_att=True),
    "ECAPA_TDNN_GLOB_c1024": partial(EcapaTdnn, channels=1024, global_context_att=True),
    "CAMPPlus": CamPlusPlus,
    "ERes2Net": ERes2Net,
    "ERes2Net34_Base": partial(ERes2Net, m_channels=32),
    "ERes2Net34_Large": partial(ERes2Net, m_channels=64),
    "ERes2Net34_aug": partial(ERes2Net, m_channels=64, expansion=4, baseWidth=24, scale=3),
}

_TRAINING_ONLY = {"dropout", "memory_efficient"}


def make_net(model: str, model_args: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    """Build a net and give it its weights, ready to embed.

    Args:
        model: one of `NETS`.
        model_args: its arguments.
        weights: a checkpoint's tensors by key; `projection.*`, the training's classifier, is ignored.

    Returns:
        The net in evaluation mode: features (B, T, F) to embeddings (B, D), float32.

    Raises:
        ValueError: the model or an argument is unknown or impossible, or the weights are those of another net; the
            text names which.
    """
    if model not in NETS:
        raise ValueError(f"model is {model!r}, for which there is no net here; there are {', '.join(NETS)}")
    arguments = {name: value for name, value in model_args.items() if name not in _TRAINING_ONLY}
    first = weights.get("conv1.weight")
    if model.startswith("ResNet") and first is not None and first.ndim:
        arguments["m_channels"] = len(first)  # WeSpeaker has no name for it
    try:
        inspect.signature(NETS[model]).bind(**arguments)
        # On no device first: a wrong number in `model_args` then costs neither memory nor time.
        with torch.device("meta"):
            net = NETS[model](**arguments)
    except (TypeError, RuntimeError, ArithmeticError) as error:
        raise ValueError(f"model_args of {model}: {error}") from error
    check_keys(net, weights, model)
    net.to_empty(device="cpu").load_state_dict(_without_classifier(weights), strict=False)
    return net.eval()


def check_keys(net: nn.Module, weights: Mapping[str, Tensor], model: str) -> None:
    """Check that a checkpoint holds a net's weights, all of them and nothing else but `projection.*`.

    Raises:
        ValueError: it does not; the text names keys.
    """
    wanted = {key: value.shape for key, value in _without_classifier(net.state_dict()).items()}
    there = {key: value.shape for key, value in _without_classifier(weights).items()}
    faults = {
        "missing": [key for key in wanted if key not in there],
        "unexpected": [key for key in there if key not in wanted],
        "of another shape": [
            f"{key} {tuple(there[key])}, not {tuple(shape)}"
            for key, shape in wanted.items()
            if key in there and there[key] != shape
        ],
    }
    if any(faults.values()):
        told = "; ".join(f"{len(keys)} {fault}: {_some(keys)}" for fault, keys in faults.items() if keys)
        raise ValueError(f"the weights are not those of {model} with these model_args: {told}")


def _without_classifier(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Counts of batches too: older checkpoints lack them, and only training reads them.
    return {
        key: value
        for key, value in weights.items()
        if not key.startswith("projection.") and not key.endswith(".num_batches_tracked")
    }


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
