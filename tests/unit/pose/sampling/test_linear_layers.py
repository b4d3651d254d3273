import pytest
import torch
from torch import nn

from scripts.pose.sampling.linear_layers import Bf16Linear, OneDnnLinear, replace_linears
from tests.unit.pose.nets.golden_nets import distance, golden, small_mlp


def test_onednn_gives_the_velocities_of_the_golden_net() -> None:
    data, net = golden("sit_mlp_small"), small_mlp("sit")
    replace_linears(net, OneDnnLinear)
    with torch.no_grad():
        assert distance(net(data["x"], data["t"], data["z"]), data["velocity"]) < 1e-6


def test_bfloat16_keeps_two_or_three_digits() -> None:
    data, net = golden("sit_mlp_small"), small_mlp("sit")
    replace_linears(net.res_blocks, Bf16Linear)
    with torch.no_grad():
        error = distance(net(data["x"], data["t"], data["z"]), data["velocity"])
    assert 1e-4 < error < 1e-2


@pytest.mark.parametrize("layer", [Bf16Linear, OneDnnLinear])
def test_every_linear_layer_is_replaced_and_none_of_its_weights_renamed(layer: type[nn.Module]) -> None:
    net = small_mlp("sit")
    keys = list(net.state_dict())
    replace_linears(net, layer)
    assert not any(type(module) is nn.Linear for module in net.modules())
    assert list(net.state_dict()) == keys
