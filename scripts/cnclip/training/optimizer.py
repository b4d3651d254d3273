"""AdamW over the parameters in upstream's order and groups, and its state in the layout of upstream's checkpoints."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from transformers.models.chinese_clip.modeling_chinese_clip import ChineseCLIPModel

from scripts.cnclip.model_files.architecture import config_sizes
from scripts.cnclip.model_files.official import official_layout
from scripts.cnclip.training.options import RunOptions
from scripts.shared.clip_weights import OpenAiTensor
from scripts.shared.errors import ConfigError

# Parts of official names. `LayerNorm.weight` of BERT has none of them, so it is decayed, as is the class embedding.
_NOT_DECAYED = ("bn", "ln", "bias", "logit_scale")
_MOMENTS = ("exp_avg", "exp_avg_sq")
_DECAYS = (False, True)  # the groups in upstream's order


def is_decayed(official_name: str) -> bool:
    """Whether weight decay draws a tensor towards zero."""
    return not any(part in official_name for part in _NOT_DECAYED)


def make_optimizer(model: ChineseCLIPModel, options: RunOptions, *, projector: nn.Parameter | None = None) -> AdamW:
    """AdamW (Loshchilov and Hutter 2019) with all that a model learns.

    Args:
        model: to be trained; what needs no gradient is left out, as upstream does.
        options: of the run.
        projector: of the distillation, decayed; in a group of its own, which no official checkpoint has.

    Returns:
        The optimizer; its first two groups are those of upstream.
    """
    groups: list[dict[str, Any]] = [
        {"params": [part for _, parts in learning(model, decayed) for part in parts], "weight_decay": decay}
        for decayed, decay in zip(_DECAYS, (0.0, options.weight_decay), strict=True)
    ]
    if projector is not None:
        groups.append({"params": [projector], "weight_decay": options.weight_decay})
    return AdamW(groups, lr=options.lr, betas=(options.beta1, options.beta2), eps=options.eps, fused=True)


def learning(model: ChineseCLIPModel, decayed: bool) -> Iterator[tuple[OpenAiTensor, list[nn.Parameter]]]:
    """Yield the official tensors of one group that are trained, in upstream's order, each with its parameters here."""
    sizes = config_sizes(model.config)
    parameters = dict(model.named_parameters())
    for tensor in official_layout(sizes.vision.layers, sizes.text.layers):
        parts = [parameters[name] for name in tensor.parts]
        if is_decayed(tensor.name) == decayed and parts[0].requires_grad:
            yield tensor, parts


def official_state(optimizer: AdamW, model: ChineseCLIPModel) -> dict[str, Any]:
    """The state of the official groups as upstream's optimizer would save it; tensors on the CPU."""
    state: dict[int, dict[str, Tensor]] = {}
    groups = []
    for decayed, group in zip(_DECAYS, optimizer.param_groups, strict=False):
        numbers = []
        for tensor, parts in learning(model, decayed):
            number = len(state)
            numbers.append(number)
            held = [optimizer.state[part] for part in parts]
            state[number] = {"step": held[0]["step"].cpu()} | {
                moment: tensor.join([of[moment] for of in held]).cpu() for moment in _MOMENTS
            }
        plain = {key: value for key, value in group.items() if key != "params"}
        groups.append({**plain, "fused": None, "params": numbers})  # how it is computed is the reader's affair
    return {"state": state, "param_groups": groups}


def load_official_state(optimizer: AdamW, model: ChineseCLIPModel, saved: Mapping[str, Any], *, where: str) -> None:
    """Go on with what `official_state`, or upstream, saved.

    Args:
        optimizer: a new one.
        model: whose parameters it has.
        saved: "state" and "param_groups".
        where: the file, for errors.

    Raises:
        ConfigError: it is the state of other parameters.
    """
    wanted = [list(learning(model, decayed)) for decayed in _DECAYS]
    numbers = [group["params"] for group in saved["param_groups"]]
    if [len(group) for group in wanted] != [len(group) for group in numbers]:
        raise ConfigError(
            f"{where}: its optimizer has {' and '.join(str(len(group)) for group in numbers)} tensors, this run's "
            f"{' and '.join(str(len(group)) for group in wanted)}; freeze_vision or the model were others"
        )
    for group, of_group in zip(wanted, numbers, strict=True):
        for (tensor, parts), number in zip(group, of_group, strict=True):
            held = saved["state"][number]
            pieces = {moment: tensor.split(held[moment]) for moment in _MOMENTS}
            for place, part in enumerate(parts):
                if pieces["exp_avg"][place].shape != part.shape:
                    raise ConfigError(f"{where}: its optimizer's {tensor.name} has another shape than this model's")
                optimizer.state[part] = _moments(part, held["step"], *(pieces[moment][place] for moment in _MOMENTS))


def projector_state(optimizer: AdamW, projector: nn.Parameter) -> dict[str, Tensor]:
    """The matrix of the distillation and its state, on the CPU."""
    held = optimizer.state[projector]
    return {"weight": projector.detach().cpu(), "step": held["step"].cpu()} | {
        moment: held[moment].cpu() for moment in _MOMENTS
    }


@torch.no_grad()
def load_projector_state(optimizer: AdamW, projector: nn.Parameter, saved: Mapping[str, Tensor]) -> None:
    """Go on with what `projector_state` gave."""
    projector.copy_(saved["weight"])
    optimizer.state[projector] = _moments(projector, saved["step"], *(saved[moment] for moment in _MOMENTS))


def _moments(like: Tensor, step: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor) -> dict[str, Tensor]:
    """Of one parameter, in memory of its own where that lies."""
    return {
        "step": step.clone().to(like.device, torch.float32),
        "exp_avg": exp_avg.clone(memory_format=torch.contiguous_format).to(like.device),
        "exp_avg_sq": exp_avg_sq.clone(memory_format=torch.contiguous_format).to(like.device),
    }
