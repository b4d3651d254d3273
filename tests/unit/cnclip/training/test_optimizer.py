import json
from typing import Any

import pytest
import torch

from scripts.cnclip.model_files.official import PREFIX
from scripts.cnclip.training.learner import Learner
from scripts.cnclip.training.optimizer import is_decayed, load_official_state, make_optimizer
from scripts.shared.errors import ConfigError
from scripts.shared.training.processes import Processes
from scripts.shared.training.schedule import warmup_cosine
from tests.cnclip_models import GOLDEN, golden_model
from tests.unit.cnclip.training.golden_runs import golden_pairs, options


def golden_lr() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "lr_golden.json").read_text())
    return found


def test_the_names_that_are_decayed_are_upstreams() -> None:
    wanted = golden_lr()["weight_decay"]
    assert all(is_decayed(name) for name in wanted["decayed"])
    assert not any(is_decayed(name) for name in wanted["not_decayed"])
    assert len(wanted["decayed"]) + len(wanted["not_decayed"]) == 83


def test_the_learning_rate_is_upstreams() -> None:
    wanted = golden_lr()
    for step, lr in wanted["lr"].items():
        assert warmup_cosine(int(step), lr=5e-5, warmup=100, total=735) == lr


def test_a_checkpoint_has_the_layout_of_upstreams() -> None:
    learner = Learner(golden_model(), options(), Processes.single())
    learner.learn(golden_pairs(), 0, 1e-3)
    value = learner.checkpoint(epoch=1, step=1, name="test")
    upstream = torch.load(GOLDEN / "tiny_vit.pt", weights_only=True)
    pooler = {key for key in upstream["state_dict"] if ".pooler." in key}
    assert list(value["state_dict"]) == [key for key in upstream["state_dict"] if key not in pooler]
    shapes = {key: tensor.shape for key, tensor in upstream["state_dict"].items() if key not in pooler}
    assert {key: tensor.shape for key, tensor in value["state_dict"].items()} == shapes
    groups, theirs = value["optimizer"]["param_groups"], upstream["optimizer"]["param_groups"]
    assert [group["params"] for group in groups] == [group["params"] for group in theirs]
    assert [group["weight_decay"] for group in groups] == [0.0, 0.1]
    assert set(theirs[0]) <= set(groups[0])


def test_upstreams_own_optimizer_goes_on_from_our_state() -> None:
    learner = Learner(golden_model(), options(), Processes.single())
    learner.learn(golden_pairs(), 0, 1e-3)
    value = learner.checkpoint(epoch=1, step=1, name="test")
    names = golden_lr()["weight_decay"]
    # The official order: of the state dict, first those that are not decayed.
    order = [name for name in value["state_dict"] if name in names["not_decayed"]]
    order += [name for name in value["state_dict"] if name in names["decayed"]]
    parameters = [torch.nn.Parameter(value["state_dict"][name].clone()) for name in order]
    n = len(names["not_decayed"])
    theirs = torch.optim.AdamW([{"params": parameters[:n]}, {"params": parameters[n:]}])
    theirs.load_state_dict(value["optimizer"])
    for parameter in parameters:
        assert theirs.state[parameter]["exp_avg"].shape == parameter.shape
    model, mine = learner.model, learner.optimizer
    place = order.index(f"{PREFIX}visual.transformer.resblocks.1.attn.in_proj_weight")
    attention = model.vision_model.encoder.layers[1].self_attn
    parts = [mine.state[getattr(attention, f"{part}_proj").weight]["exp_avg"] for part in "qkv"]
    assert torch.equal(theirs.state[parameters[place]]["exp_avg"], torch.cat(parts))
    projected = theirs.state[parameters[order.index(f"{PREFIX}text_projection")]]["exp_avg"]
    assert torch.equal(projected, mine.state[model.text_projection.weight]["exp_avg"].T)


def test_the_state_of_other_parameters_is_refused() -> None:
    learner = Learner(golden_model(), options(), Processes.single())
    learner.learn(golden_pairs(), 0, 1e-3)
    saved = learner.checkpoint(epoch=1, step=1, name="test")["optimizer"]
    other = Learner(golden_model(), options(freeze_vision=True), Processes.single())
    with pytest.raises(ConfigError, match="freeze_vision"):
        load_official_state(other.optimizer, other.model, saved, where="x.pt")


def test_what_is_frozen_is_not_in_the_optimizer() -> None:
    learner = Learner(golden_model(), options(freeze_vision=True), Processes.single())
    held = {id(parameter) for group in learner.optimizer.param_groups for parameter in group["params"]}
    vision = [*learner.model.vision_model.parameters(), *learner.model.visual_projection.parameters()]
    assert not any(id(parameter) in held for parameter in vision)
    assert len(held) == len(list(learner.model.parameters())) - len(vision)


def test_the_matrix_of_a_distillation_has_a_group_of_its_own() -> None:
    projector = torch.nn.Parameter(torch.zeros(2, 3))
    groups = make_optimizer(golden_model(), options(), projector=projector).param_groups
    assert groups[2]["params"] == [projector]
