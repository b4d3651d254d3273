"""Programs of TorchScript, as OpenAI's release is one."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


class _Program(torch.nn.Module):
    """A module whose state dict has the given names."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        for key, value in state.items():
            *parents, name = key.split(".")
            module: torch.nn.Module = self
            for parent in parents:
                if not hasattr(module, parent):
                    module.add_module(parent, torch.nn.Module())
                module = getattr(module, parent)
            module.register_buffer(name, value)

    def forward(self, x: Tensor) -> Tensor:
        return x


def write_torchscript(path: Path, state: Mapping[str, Tensor]) -> Path:
    """An archive as OpenAI's release is: a program, with the numbers of its input beside the weights."""
    program = torch.jit.trace(_Program({**state, "vocab_size": torch.tensor(49_408)}), torch.zeros(1))
    torch.jit.save(program, path)
    return path
