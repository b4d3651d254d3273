"""Linear layers that compute the same in another way: in bfloat16 on a GPU, faster on a CPU."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Bf16Linear(nn.Module):
    """A layer whose product is computed in bfloat16; what goes in, what is added and what comes out stay float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.detach().bfloat16(), requires_grad=False)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(N, n_in) float32 to (N, n_out) float32."""
        return nn.functional.linear(x.bfloat16(), self.weight).float() + self.bias


class OneDnnLinear(nn.Module):
    """A layer whose product oneDNN computes, in float32; MKL, which torch takes, is half as fast on AMD's processors.

    For batches of a few rows it is faster on Intel's too. The weights stay where they are, such as in a mapped file.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(N, n_in) float32 to (N, n_out) float32; without gradients."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        return y


def replace_linears(net: nn.Module, layer: Callable[[nn.Linear], nn.Module]) -> None:
    """Put `layer` of it in the place of each linear layer of a net."""
    for name, child in net.named_children():
        if isinstance(child, nn.Linear):
            setattr(net, name, layer(child))
        else:
            replace_linears(child, layer)
